from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from timbre_inference.train.prepare import (
    PEAK_LIMIT,
    TARGET_RMS,
    Corpus,
    SourceClip,
    held_out_speakers,
    normalise_loudness,
    prepare_corpus,
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


def test_what_cannot_be_used_is_counted_and_listed_and_the_rest_is_kept(tmp_path: Path) -> None:
    tone = np.sin(np.arange(2 * 44100) / 20).astype(np.float32) * 0.3
    soundfile.write(tmp_path / "good.flac", tone, 44100)
    soundfile.write(tmp_path / "short.flac", tone[:4000], 44100)
    soundfile.write(tmp_path / "long.flac", np.tile(tone, 4), 44100)
    (tmp_path / "corrupt.flac").write_bytes(b"this is not sound")
    names = ["good", "short", "long", "corrupt", "missing"]
    sources = [SourceClip(f"{name}.flac", "corpus", name, "en", "", 44100, "words") for name in names]
    *_, report = prepare_corpus(sources, tmp_path, tmp_path / "corpus", frozenset(), longest=5.0, workers=1)
    assert report.kept == 1
    # FFmpeg finds no frame in the corrupt file: no sound at all is too short.
    assert report.skipped == {"too short or silent": 2, "too long": 1, "not usable": 1}
    assert len((tmp_path / "corpus/skipped.tsv").read_text().splitlines()) == 4
    corpus = Corpus(tmp_path / "corpus")
    assert [clip.name for clip in corpus.clips] == ["good.flac"]
    assert len(corpus.speech(corpus.clips[0])) / 22050 == pytest.approx(2, abs=0.02)
    assert len(corpus.encoder_audio(corpus.clips[0])) / 16000 == pytest.approx(2, abs=0.02)
