import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbre_inference.train.prepare import (
    PEAK_LIMIT,
    TARGET_RMS,
    SourceClip,
    held_out_speakers,
    normalise_loudness,
    trim_silence,
)


def clips(count: int, gender: str) -> list[SourceClip]:
    return [SourceClip(f"{gender}{i}.opus", "corpus", f"{gender}{i}", "en", gender, 16000, "") for i in range(count)]


def test_half_of_the_held_out_speakers_are_women_where_genders_are_known() -> None:
    held_out = held_out_speakers(clips(30, "f") + clips(30, "m"), {"corpus": 10})
    assert sorted(speaker[0] for speaker in held_out) == ["f"] * 5 + ["m"] * 5


@given(st.integers(0, 40))
def test_more_data_of_another_corpus_moves_no_held_out_speaker(extra: int) -> None:
    others = [SourceClip(f"{i}.opus", "other", f"o{i}", "en", "f", 16000, "") for i in range(extra)]
    assert held_out_speakers(clips(30, ""), {"corpus": 5}) == held_out_speakers(clips(30, "") + others, {"corpus": 5})


def test_silence_is_cut_but_for_a_margin() -> None:
    tone = np.sin(np.arange(16000) / 5).astype(np.float32)
    trimmed = trim_silence(np.concatenate([np.zeros(16000, np.float32), tone, np.zeros(16000, np.float32)]), 16000)
    assert 16000 <= len(trimmed) <= 16000 + 2 * 1600 + 320


def test_nothing_is_left_of_silence() -> None:
    assert len(trim_silence(np.zeros(16000, np.float32), 16000)) == 0


@pytest.mark.parametrize("level", [0.001, 0.1, 0.9])
def test_speech_is_brought_to_one_loudness_without_clipping(level: float) -> None:
    levelled = normalise_loudness((np.sin(np.arange(16000) / 5) * level).astype(np.float32))
    assert np.sqrt(np.mean(levelled**2)) == pytest.approx(TARGET_RMS, rel=1e-3)
    assert np.abs(levelled).max() <= PEAK_LIMIT
