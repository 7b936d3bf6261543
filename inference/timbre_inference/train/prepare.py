"""Turns a manifest of clips into one corpus folder that training reads without decoding anything.

A corpus is `clips.tsv` (one `Clip` a line) beside one flat int16 file a sample rate, `audio-22050.i16` and
`audio-16000.i16`: clips are slices of a memory map, so an epoch costs no decoding and no open files.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr
from pydantic import TypeAdapter

from timbre_inference.audio.decode import DecodeLimits, decode_reference
from timbre_inference.errors import BadReferenceError

Waveform = npt.NDArray[np.float32]

SPEECH_RATE = 22050
ENCODER_RATE = 16000
TARGET_RMS = 10 ** (-23 / 20)
"""Loudness every clip is brought to, about the level of the warm-start voice."""
PEAK_LIMIT = 0.97


@dataclass(frozen=True, slots=True)
class SourceClip:
    """One line of a manifest: a file, who speaks in it, and what is said ("" when nobody wrote it down)."""

    path: str
    corpus: str
    speaker: str
    lang: str
    gender: str
    original_sample_rate: int
    text: str


@dataclass(frozen=True, slots=True)
class Clip:
    """One prepared clip; offsets and lengths are in samples of the flat file of each rate."""

    name: str
    corpus: str
    speaker: str
    lang: str
    gender: str
    split: str
    original_sample_rate: int
    speech_offset: int
    speech_samples: int
    encoder_offset: int
    encoder_samples: int
    text: str


_GENDERS = {"f": "f", "female": "f", "m": "m", "male": "m"}


def read_manifest(path: Path) -> list[SourceClip]:
    """The clips of a manifest.tsv with the columns path, corpus, speaker, lang, gender, original_sample_rate, text."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        SourceClip(
            path=row["path"],
            corpus=row["corpus"],
            speaker=row["speaker"],
            lang=row["lang"],
            gender=_GENDERS.get(row["gender"].lower(), ""),
            original_sample_rate=int(row["original_sample_rate"]),
            text=row["text"] or "",
        )
        for row in rows
    ]


def held_out_speakers(clips: Iterable[SourceClip], per_corpus: dict[str, int]) -> frozenset[str]:
    """Speakers never trained on: per corpus, the first by hash, so that more data never moves one.

    Where genders are known both get half of the places.
    """
    genders = {clip.speaker: (clip.corpus, clip.gender) for clip in clips}
    chosen: set[str] = set()
    for corpus, count in per_corpus.items():
        pool = sorted((speaker for speaker in genders if genders[speaker][0] == corpus), key=_hash)
        women = [speaker for speaker in pool if genders[speaker][1] == "f"][: count // 2]
        men = [speaker for speaker in pool if genders[speaker][1] == "m"][: count - count // 2]
        rest = [speaker for speaker in pool if speaker not in {*women, *men}]
        chosen.update((women + men + rest)[:count])
    return frozenset(chosen)


def _hash(speaker: str) -> str:
    return hashlib.sha256(speaker.encode()).hexdigest()


def trim_silence(waveform: Waveform, sample_rate: int, floor_db: float = 35.0, margin: float = 0.1) -> Waveform:
    """Cuts leading and trailing parts quieter than `floor_db` below the loudest frame, leaving `margin` seconds."""
    hop = sample_rate // 100
    count = len(waveform) // hop
    if count == 0:
        return waveform[:0]
    energy = np.sqrt(np.mean(waveform[: count * hop].reshape(count, hop) ** 2, axis=1))
    loud = np.flatnonzero(energy > energy.max() * 10 ** (-floor_db / 20))
    if energy.max() < 1e-4 or len(loud) == 0:
        return waveform[:0]
    pad = int(margin * sample_rate)
    return waveform[max(0, loud[0] * hop - pad) : (loud[-1] + 1) * hop + pad]


def normalise_loudness(waveform: Waveform) -> Waveform:
    """Scales speech to `TARGET_RMS`, or less where the peak would pass `PEAK_LIMIT`."""
    rms = float(np.sqrt(np.mean(waveform**2)))
    peak = float(np.abs(waveform).max())
    return np.asarray(waveform * min(TARGET_RMS / rms, PEAK_LIMIT / peak), dtype=np.float32)


def _prepare_one(task: tuple[str, float, float]) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]] | str:
    path, shortest, longest = task
    try:
        with Path(path).open("rb") as file:
            # Silence at the ends is cut before the length is judged.
            waveform = decode_reference(file, DecodeLimits(SPEECH_RATE, 2 * longest))
    except (BadReferenceError, OSError) as error:
        return f"not usable: {error}"
    waveform = trim_silence(waveform, SPEECH_RATE)
    if len(waveform) < shortest * SPEECH_RATE:
        return "too short or silent"
    if len(waveform) > longest * SPEECH_RATE:
        return "too long"
    waveform = normalise_loudness(waveform)
    return _to_int16(waveform, SPEECH_RATE), _to_int16(waveform, ENCODER_RATE)


def _to_int16(waveform: Waveform, rate: int) -> npt.NDArray[np.int16]:
    resampled = soxr.resample(waveform, SPEECH_RATE, rate)
    return np.asarray(np.clip(resampled, -1.0, 1.0) * 32767, dtype=np.int16)


@dataclass(slots=True)
class PrepareReport:
    """What became of the manifest: clips kept, and a count for each reason to leave one out."""

    kept: int
    skipped: Counter[str]


def prepare_corpus(
    sources: list[SourceClip],
    root: Path,
    output: Path,
    held_out: frozenset[str],
    shortest: float = 1.0,
    longest: float = 20.0,
    workers: int = 2,
) -> Iterator[PrepareReport]:
    """Decodes, trims, levels and resamples every clip into `output`; yields the state so far about once a second.

    A clip that can't be used is counted under its reason in the report and listed in `skipped.tsv`.
    """
    output.mkdir(parents=True, exist_ok=True)
    report = PrepareReport(0, Counter())
    offsets = {SPEECH_RATE: 0, ENCODER_RATE: 0}
    columns = [field.name for field in fields(Clip)]
    with (
        (output / f"audio-{SPEECH_RATE}.i16").open("wb") as speech_file,
        (output / f"audio-{ENCODER_RATE}.i16").open("wb") as encoder_file,
        (output / "clips.partial.tsv").open("w", encoding="utf-8", newline="") as index,
        (output / "skipped.tsv").open("w", encoding="utf-8") as skipped,
        ProcessPoolExecutor(workers) as pool,
    ):
        writer = csv.DictWriter(index, columns, delimiter="\t", quoting=csv.QUOTE_NONE, escapechar="\\")
        writer.writeheader()
        tasks = [(str(root / source.path), shortest, longest) for source in sources]
        for count, (source, result) in enumerate(
            zip(sources, pool.map(_prepare_one, tasks, chunksize=16), strict=True)
        ):
            if isinstance(result, str):
                report.skipped[result.split(":")[0]] += 1
                skipped.write(f"{source.path}\t{result}\n")
            else:
                speech, encoder = result
                writer.writerow(
                    asdict(
                        Clip(
                            name=source.path,
                            corpus=source.corpus,
                            speaker=source.speaker,
                            lang=source.lang,
                            gender=source.gender,
                            split="test" if source.speaker in held_out else "train",
                            original_sample_rate=source.original_sample_rate,
                            speech_offset=offsets[SPEECH_RATE],
                            speech_samples=len(speech),
                            encoder_offset=offsets[ENCODER_RATE],
                            encoder_samples=len(encoder),
                            text=" ".join(source.text.split()),
                        )
                    )
                )
                speech.tofile(speech_file)
                encoder.tofile(encoder_file)
                offsets[SPEECH_RATE] += len(speech)
                offsets[ENCODER_RATE] += len(encoder)
                report.kept += 1
            if count % 200 == 0:
                yield report
    (output / "clips.partial.tsv").replace(output / "clips.tsv")
    yield report


class Corpus:
    """A prepared folder, opened: its clips, and their samples as float32 on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clips = _read_clips(folder / "clips.tsv")
        self._speech = np.memmap(folder / f"audio-{SPEECH_RATE}.i16", np.int16, "r")
        self._encoder = np.memmap(folder / f"audio-{ENCODER_RATE}.i16", np.int16, "r")

    def speech(self, clip: Clip) -> Waveform:
        """The clip at 22.05 kHz."""
        return _to_float(self._speech[clip.speech_offset : clip.speech_offset + clip.speech_samples])

    def encoder_audio(self, clip: Clip) -> Waveform:
        """The clip at 16 kHz, as the speaker encoder hears it."""
        return _to_float(self._encoder[clip.encoder_offset : clip.encoder_offset + clip.encoder_samples])


def _read_clips(path: Path) -> list[Clip]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, escapechar="\\"))
    return TypeAdapter(list[Clip]).validate_python(rows)


def _to_float(samples: npt.NDArray[np.int16]) -> Waveform:
    return samples.astype(np.float32) / 32767.0
