"""`timbre bundle`: look at bundles, check them, make them from published voices."""

from __future__ import annotations

import click


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
