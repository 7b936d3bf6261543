"""Writes down what unlabelled clips say, cut at pauses, so that their speakers can teach the flow too."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from timbre_inference.train.prepare import SPEECH_RATE, Clip, Corpus

COLUMNS = ("name", "start", "samples", "text")
SHORTEST, LONGEST = 1.5, 8.0
PAUSE = 0.15
MIN_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it is spoken, in seconds."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a clip and the words in it; `start` and `samples` at the speech rate."""

    name: str
    start: int
    samples: int
    text: str


def cut_at_pauses(words: list[Word], duration: float) -> Iterator[tuple[float, float, str]]:
    """Stretches of `SHORTEST` to `LONGEST` seconds whose every word was heard with confidence."""
    begin = 0
    for end in range(1, len(words) + 1):
        gap = (words[end].start if end < len(words) else duration + PAUSE) - words[end - 1].end
        length = words[end - 1].end - words[begin].start
        if length > LONGEST:
            begin = end
        elif gap >= PAUSE and length >= SHORTEST:
            heard = words[begin:end]
            if min(word.confidence for word in heard) >= MIN_CONFIDENCE:
                text = " ".join(word.text.strip() for word in heard)
                yield max(0.0, heard[0].start - 0.08), min(duration, heard[-1].end + min(gap / 2, 0.15)), text
            begin = end


def transcribe(corpus: Corpus, clips: list[Clip], weights: Path, output: Path) -> Iterator[int]:
    """Writes one `Stretch` a line to `output`; yields the number of clips heard so far."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(weights), device="cpu", compute_type="int8", cpu_threads=2)
    partial = output.with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, escapechar="\\")
        writer.writerow(COLUMNS)
        for count, clip in enumerate(clips, 1):
            segments, _ = model.transcribe(corpus.encoder_audio(clip), beam_size=1, word_timestamps=True, language="en")
            words = [Word(w.word, w.start, w.end, w.probability) for segment in segments for w in segment.words or []]
            for start, end, text in cut_at_pauses(words, clip.speech_samples / SPEECH_RATE):
                writer.writerow([clip.name, int(start * SPEECH_RATE), int((end - start) * SPEECH_RATE), text])
            yield count
    partial.replace(output)


def read_stretches(path: Path) -> list[Stretch]:
    """What `transcribe` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, escapechar="\\"))
    return [Stretch(row["name"], int(row["start"]), int(row["samples"]), row["text"]) for row in rows]
