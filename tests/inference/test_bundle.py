"""A bundle is used whole and unaltered, or not at all, and the error names the file."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.bundles import write_tiny_bundle
from timbre_inference.bundle import BundleError, load_bundle
from timbre_inference.cli import main


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def delete(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("name", ["vits.safetensors", "ecapa.json", "tokenizer.json", "voices/voices.safetensors"])
@pytest.mark.parametrize("damage", [truncate, delete])
def test_a_damaged_or_missing_file_is_named(bundle: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(bundle / name)
    with pytest.raises(BundleError, match=name):
        load_bundle(str(bundle))


def test_a_digest_that_does_not_match_is_refused(bundle: Path) -> None:
    digest = load_bundle(str(bundle)).digest
    assert load_bundle(str(bundle), digest).digest == digest
    with pytest.raises(BundleError, match=r"bundle\.json.*sha256:0+"):
        load_bundle(str(bundle), "sha256:" + "0" * 64)


def test_a_manifest_may_not_reach_outside_its_folder(bundle: Path) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["files"]["../outside"] = "0" * 64
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    (bundle.parent / "outside").write_text("")
    with pytest.raises(BundleError, match="outside the bundle"):
        load_bundle(str(bundle))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/nowhere/at/all", "there is no folder"),
        ("builtin://unknown", "there is no folder"),
        ("hf://org/repo@main", "builtin:// or file:///"),
    ],
)
def test_a_source_that_is_not_there_is_refused(source: str, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        load_bundle(source)


def test_weights_of_another_shape_are_refused(bundle: Path, tmp_path: Path) -> None:
    config = json.loads((bundle / "vits.json").read_text()) | {"text_layers": 2}
    (bundle / "vits.json").write_text(json.dumps(config))
    from timbre_inference.bundle import BundleManifest, write_manifest

    write_manifest(bundle, BundleManifest.model_validate_json((bundle / "bundle.json").read_bytes()))
    with pytest.raises(BundleError, match=r"vits\.safetensors holds other tensors"):
        load_bundle(str(bundle)).load_family("cpu")


def test_say_writes_a_file_and_says_how_fast(bundle: Path, tmp_path: Path) -> None:
    output = tmp_path / "said.flac"
    result = CliRunner().invoke(main, ["say", "Hello there.", "--bundle", str(bundle), "--output", str(output)])
    assert result.exit_code == 0, result.output
    assert output.read_bytes()[:4] == b"fLaC"
    assert "real-time factor" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["say"], "Say what, and where to"),
        (["say", "...", "--output", "x.wav"], "no word that this voice can say"),
        (["say", "Hello.", "--output", "x.txt"], "can't write .txt"),
        (["say", "Hello.", "--reference", "missing.wav", "--output", "x.wav"], "missing.wav"),
    ],
)
def test_say_refuses_what_it_cannot_do(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, [*arguments, "--bundle", str(bundle)] if len(arguments) > 1 else arguments)
    assert result.exit_code in {1, 2}
    assert message in result.output
    assert "Traceback" not in result.output
