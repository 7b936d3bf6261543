"""`timbre bundle`: look at bundles, check them, make them from published voices."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group()
def bundle() -> None:
    """Inspect, verify and import voice bundles."""


@bundle.command()
@click.argument("source")
def inspect(source: str) -> None:
    """Print what the bundle at SOURCE says of itself."""
    from timbre_inference.bundle import BundleError, load_bundle

    try:
        loaded = load_bundle(source)
    except BundleError as error:
        raise click.ClickException(str(error)) from error
    manifest = loaded.manifest
    size = sum((loaded.folder / name).stat().st_size for name in manifest.files)
    click.echo(f"{manifest.name} {manifest.version} ({manifest.family}), {loaded.digest}")
    click.echo(f"{', '.join(manifest.languages)}; {manifest.sample_rate} Hz; {size / 1e6:.1f} MB; {manifest.licence}")
    click.echo(f"voices: {', '.join(loaded.voices)} (default {manifest.default_voice}); encoder {manifest.encoder_id}")


@bundle.command()
@click.argument("source")
@click.option("--digest", default="", help="sha256:… that bundle.json must have.")
def verify(source: str, digest: str) -> None:
    """Check every file of the bundle at SOURCE against its manifest."""
    from timbre_inference.bundle import BundleError, load_bundle

    try:
        loaded = load_bundle(source, digest)
    except BundleError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(loaded.manifest.files)} files are as {loaded.digest} says")


@bundle.group("import")
def import_() -> None:
    """Make a bundle of a published voice."""


@import_.command()
@click.argument("voice", type=FILE)
@click.option("--speaker", "speaker_checkpoint", type=FILE, required=True, help="last.pt of `timbre train speaker`.")
@click.option("--manifest", type=FILE, required=True, help="bundle.json without its files.")
@click.option("--card", type=FILE, required=True, help="The model card, a Markdown file.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to write.")
def piper(voice: Path, speaker_checkpoint: Path, manifest: Path, card: Path, output: Path) -> None:
    """Make a bundle of VOICE, a Piper voice (.onnx with its .onnx.json beside it).

    It speaks as it did before: following a reference is what `timbre train voice` teaches it.
    """
    from timbre_inference.importers.piper import ImportRefusedError, read_piper_voice
    from timbre_inference.train.export import export_warm_start
    from timbre_inference.train.speaker import load_speaker_encoder

    encoder = load_speaker_encoder(speaker_checkpoint)
    try:
        warm_start = read_piper_voice(voice, encoder.config.embedding_size)
    except ImportRefusedError as error:
        raise click.ClickException(str(error)) from error
    written = export_warm_start(warm_start, encoder, manifest, card, output)
    click.echo(f"{output}: {written.name} {written.version}, {len(written.files)} files")
