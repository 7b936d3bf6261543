"""What the local cluster decides before it touches the machine."""

import hashlib
import io
import ipaddress
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from tools.cluster import programs, scratch_image
from tools.cluster.components import components
from tools.cluster.config import ClusterError, Config, Layout, Network
from tools.cluster.footprint import require_same
from tools.cluster.kubernetes import uses_current_cluster
from tools.cluster.node_files import configuration_files
from tools.demo.speech import multipart

RESERVED_FOR_TESTS = ipaddress.ip_network("198.18.0.0/15")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(Layout(tmp_path / "cluster"), Network(), gpus=2)


def test_every_address_lies_in_the_range_reserved_for_tests_and_no_two_ranges_meet() -> None:
    network = Network()
    link = ipaddress.ip_network(f"{network.host_address}/{network.link_prefix}", strict=False)
    ranges = [link, ipaddress.ip_network(network.pods), ipaddress.ip_network(network.services)]
    assert all(part.subnet_of(RESERVED_FOR_TESTS) for part in ranges)
    assert not any(one.overlaps(other) for one in ranges for other in ranges if one is not other)
    assert ipaddress.ip_address(network.dns_service) in ranges[2]
    assert ipaddress.ip_address(network.node_address) in link


def test_nothing_that_a_component_writes_lies_outside_the_state_folder(config: Config, tmp_path: Path) -> None:
    arguments = [argument for part in components(config, Path("/bin")) for argument in part.command[1:]]
    paths = [value for argument in arguments if (value := argument.partition("=")[2] or argument).startswith("/")]
    assert paths
    assert all(Path(path).is_relative_to(config.layout.state) for path in paths)


def test_every_configuration_file_that_is_json_parses(config: Config) -> None:
    files = configuration_files(config)
    for name, text in files.items():
        if name.endswith((".json", ".conflist")):
            json.loads(text)


def test_a_program_is_built_anew_when_its_version_or_its_flags_change() -> None:
    program = programs.Program("helm", package="example.org/helm@v1")
    assert program.fingerprint() == replace(program).fingerprint()
    assert program.fingerprint() != replace(program, package="example.org/helm@v2").fingerprint()
    assert program.fingerprint() != replace(program, linker_flags="-X a=b").fingerprint()


def test_an_image_of_one_program_names_its_layer_by_what_is_in_it(tmp_path: Path) -> None:
    binary = tmp_path / "hello"
    binary.write_bytes(b"not really a program")
    archive = tmp_path / "image.tar"
    scratch_image.write(archive, "localhost/hello:1", binary)
    with tarfile.open(archive) as tar:
        content = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    (manifest,) = json.loads(content["manifest.json"])
    image = json.loads(content[manifest["Config"]])
    layer = content[manifest["Layers"][0]]
    assert manifest["RepoTags"] == ["localhost/hello:1"]
    assert image["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert image["config"]["User"] == "65532:65532"
    with tarfile.open(fileobj=io.BytesIO(layer)) as files:
        assert files.getnames() == ["hello"]


def test_what_a_cluster_leaves_behind_is_named() -> None:
    with pytest.raises(ClusterError, match="left behind, mounts: /run/netns/timbre"):
        require_same({"mounts": ["/"]}, {"mounts": ["/", "/run/netns/timbre"]})
    require_same({"mounts": ["/"]}, {"mounts": ["/"]})


def test_a_cluster_that_does_not_exist_is_not_taken_for_the_local_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER", "curent")
    with pytest.raises(ClusterError, match="`local` or `current`"):
        uses_current_cluster()


def test_a_number_of_gpus_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMBRE_CLUSTER_GPUS", "many")
    with pytest.raises(ClusterError, match="whole number"):
        Config.from_environment()


def test_a_form_carries_its_fields_and_the_recording(tmp_path: Path) -> None:
    recording = tmp_path / "voice.wav"
    recording.write_bytes(b"RIFF")
    body = multipart("edge", {"input": "Hello"}, recording)
    assert body.startswith(b'--edge\r\nContent-Disposition: form-data; name="input"\r\n\r\nHello\r\n--edge\r\n')
    assert body.endswith(b'filename="voice.wav"\r\n\r\nRIFF\r\n--edge--\r\n')
