"""`timbre train`: from a folder of clips to a bundle, a step a command; each goes on where it was stopped."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
HELD_OUT = {"librispeech-single": 20, "speechocean762": 10, "commonvoice": 60}
"""Speakers of each corpus that are never trained on: the project's own test speakers."""


@click.group()
def train() -> None:
    """Train a voice on your own recordings."""


@train.command()
@click.argument("manifest", type=FILE)
@click.option("--output", type=FOLDER, required=True, help="The corpus folder to write.")
@click.option("--exclude", multiple=True, help="A corpus of the manifest to leave out; may be given again.")
def prepare(manifest: Path, output: Path, exclude: tuple[str, ...]) -> None:
    """Decode, trim and level the clips that MANIFEST (tab separated) lists, beside it."""
    from timbre_inference.train.prepare import held_out_speakers, prepare_corpus, read_manifest

    clips = [clip for clip in read_manifest(manifest) if clip.corpus not in exclude]
    for report in prepare_corpus(clips, manifest.parent, output, held_out_speakers(clips, HELD_OUT)):
        skipped = ", ".join(f"{count} {reason}" for reason, count in report.skipped.items())
        click.echo(f"{report.kept} of {len(clips)} clips kept; left out: {skipped or 'none'}")


@train.command()
@click.argument("corpus", type=FOLDER)
@click.option("--output", type=FOLDER, required=True, help="Where checkpoints go.")
@click.option("--steps", type=int, default=900, show_default=True)
def speaker(corpus: Path, output: Path, steps: int) -> None:
    """Train the speaker encoder on every speaker of CORPUS."""
    from timbre_inference.train.prepare import Corpus
    from timbre_inference.train.speaker import SpeakerTrainingConfig, train_speaker_encoder

    for progress in train_speaker_encoder(Corpus(corpus), SpeakerTrainingConfig(steps=steps), output):
        left = (steps - progress.step) * progress.seconds_per_step / 60
        click.echo(f"step {progress.step}/{steps}, loss {progress.loss:.3f}, {left:.0f} min left")


@train.command()
@click.argument("corpus", type=FOLDER)
@click.option("--whisper", type=FOLDER, required=True, help="Whisper weights in CTranslate2's format.")
@click.option("--output", type=FOLDER, required=True, help="The folder of the voice's run.")
def transcribe(corpus: Path, whisper: Path, output: Path) -> None:
    """Write down what CORPUS's English clips without a text say."""
    from timbre_inference.train.prepare import Corpus
    from timbre_inference.train.transcribe import transcribe as write_down

    opened = Corpus(corpus)
    clips = [clip for clip in opened.clips if clip.split == "train" and clip.lang == "en" and not clip.text]
    output.mkdir(parents=True, exist_ok=True)
    for heard in write_down(opened, clips, whisper, output / "stretches.tsv"):
        if heard % 10 == 0:
            click.echo(f"{heard} of {len(clips)} clips heard")


@train.command()
@click.argument("corpus", type=FOLDER)
@click.option("--speaker", "speaker_checkpoint", type=FILE, required=True, help="last.pt of `timbre train speaker`.")
@click.option("--warm-start", type=FILE, required=True, help="A Piper voice, .onnx with its .onnx.json beside it.")
@click.option("--output", type=FOLDER, required=True, help="Where checkpoints go.")
@click.option("--steps", type=int, default=12000, show_default=True)
def voice(corpus: Path, speaker_checkpoint: Path, warm_start: Path, output: Path, steps: int) -> None:
    """Train the voice to follow the speaker embedding."""
    from timbre_inference.train.voice import VoiceTrainingConfig
    from timbre_inference.train.voice_run import open_voice_run

    run = open_voice_run(corpus, speaker_checkpoint, warm_start, output)
    averages: dict[str, float] = {}
    first: int | None = None
    for step, seconds, losses in run.trainer(VoiceTrainingConfig(steps=steps)).run():
        first = step if first is None else first
        for name, value in losses.items():
            averages[name] = 0.95 * averages.get(name, value) + 0.05 * value
        if step % 10 == 0:
            pace = seconds / (step - first + 1)
            shown = ", ".join(f"{name} {value:.3f}" for name, value in averages.items())
            click.echo(f"step {step}/{steps}, {shown}, {pace:.2f} s a step, {(steps - step) * pace / 60:.0f} min left")


@train.command()
@click.argument("corpus", type=FOLDER)
@click.option("--speaker", "speaker_checkpoint", type=FILE, required=True, help="last.pt of `timbre train speaker`.")
@click.option("--warm-start", type=FILE, required=True, help="The Piper voice that training started from.")
@click.option("--run", "run_folder", type=FOLDER, required=True, help="The folder of `timbre train voice`.")
@click.option("--card", type=FILE, required=True, help="The model card, a Markdown file.")
@click.option("--manifest", "manifest_file", type=FILE, required=True, help="bundle.json without its files.")
@click.option(
    "--voice", "voice_speakers", multiple=True, help="NAME=SPEAKER: a speaker of the corpus as a voice of the bundle."
)
@click.option("--output", type=FOLDER, required=True, help="The bundle folder to write.")
def export(
    corpus: Path, speaker_checkpoint: Path, warm_start: Path, run_folder: Path, card: Path, manifest_file: Path,
    voice_speakers: tuple[str, ...], output: Path,
) -> None:  # fmt: skip
    """Write the newest checkpoint's averaged weights as a bundle."""
    from timbre_inference.train.export import export_run
    from timbre_inference.train.voice_run import open_voice_run

    run = open_voice_run(corpus, speaker_checkpoint, warm_start, run_folder)
    speakers = dict(pair.split("=", 1) for pair in voice_speakers)
    manifest = export_run(run, manifest_file, card, speakers, output)
    click.echo(f"{output}: {manifest.name} {manifest.version}, {len(manifest.files)} files")
