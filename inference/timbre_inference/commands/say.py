"""`timbre say`: speech without a server."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from pathlib import Path

import click


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to say: in whose voice, what, and where to."""

    reference: str
    text: str
    output: Path


@click.command()
@click.argument("text", required=False)
@click.option(
    "--reference", default="", help="A few seconds of the voice to speak in; the bundle's own voice without it."
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file to write: wav, flac, mp3 or opus."
)
@click.option(
    "--list",
    "list_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file of lines reference, text, output, separated by tabs; says them all.",
)
@click.option(
    "--bundle", "bundle_uri", default="builtin://timbre-en", show_default=True, help="The voice bundle to speak with."
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed says the same thing the same way.")
@click.option(
    "--speed", type=click.FloatRange(0.25, 4.0), default=1.0, show_default=True, help="2 speaks twice as fast."
)
def say(
    text: str | None, reference: str, output: Path | None, list_file: Path | None, bundle_uri: str, device: str,
    seed: int, speed: float,
) -> None:  # fmt: skip
    """Say TEXT in the voice of a reference recording, and write it to a file."""
    lines = _lines(text, reference, output, list_file)
    from timbre_inference.bundle import BundleError
    from timbre_inference.errors import BadReferenceError
    from timbre_inference.offline import OfflineSpeaker, UnspeakableError

    began = time.monotonic()
    try:
        speaker = OfflineSpeaker.load(bundle_uri, device)
    except BundleError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"loaded {speaker.bundle.manifest.name} on {speaker.device} in {time.monotonic() - began:.1f} s", err=True
    )
    for line in lines:
        started = time.monotonic()
        try:
            embedding = speaker.embed(Path(line.reference)) if line.reference else speaker.default_voice()
            audio_seconds = speaker.write(speaker.speak(line.text, embedding, seed, speed), line.output)
        except (BadReferenceError, UnspeakableError, OSError, ValueError) as error:
            raise click.ClickException(f"{line.output}: {error}") from error
        compute = time.monotonic() - started
        click.echo(f"{line.output}: {audio_seconds:.2f} s of audio, real-time factor {compute / audio_seconds:.3f}")


def _lines(text: str | None, reference: str, output: Path | None, list_file: Path | None) -> list[Line]:
    if list_file is not None:
        if text or output:
            raise click.UsageError("--list brings its own texts and outputs: leave TEXT and --output out")
        with list_file.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        for number, row in enumerate(rows, 1):
            if len(row) != 3:
                raise click.UsageError(
                    f"{list_file}, line {number}: expected reference, text, output, separated by tabs"
                )
        return [Line(row[0], row[1], Path(row[2])) for row in rows]
    if not text or output is None:
        raise click.UsageError("Say what, and where to: timbre say TEXT --output FILE")
    return [Line(reference, text, output)]
