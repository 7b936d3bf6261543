from __future__ import annotations

import numpy as np
import pytest

from tests.support.sounds import RATE, speech_like
from timbre_inference.audio.analysis import analyse, refuse_unusable, why_unusable
from timbre_inference.audio.encode import Waveform
from timbre_inference.errors import BadReferenceError


def silence(seconds: float) -> Waveform:
    return np.zeros(round(seconds * RATE), np.float32)


def joined(*parts: Waveform) -> Waveform:
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("waveform", "expected"),
    [
        pytest.param(silence(0), "reference_too_short", id="nothing"),
        pytest.param(speech_like(0.5), "reference_too_short", id="half a second"),
        pytest.param(silence(5), "reference_silent", id="silence"),
        pytest.param(silence(5) + 0.4, "reference_silent", id="a microphone's offset alone"),
        pytest.param(speech_like(5, level=0.0002), "reference_silent", id="a whisper far below hearing"),
        pytest.param(np.full(5 * RATE, np.nan, np.float32), "reference_silent", id="not numbers"),
        pytest.param(joined(silence(5), speech_like(0.6)), "reference_too_short", id="a short word after a long pause"),
        pytest.param(np.clip(speech_like(5, level=20), -1, 1), "reference_clipped", id="far too loud"),
        pytest.param(speech_like(3), None, id="three seconds of speech"),
        pytest.param(speech_like(3, level=0.01), None, id="quiet speech"),
        pytest.param(joined(silence(2), speech_like(2), silence(2)), None, id="speech between pauses"),
    ],
)
def test_a_recording_is_taken_or_refused_for_its_reason(waveform: Waveform, expected: str | None) -> None:
    found = why_unusable(analyse(waveform, RATE))
    assert (found and found[0]) == expected


def test_only_speech_counts_as_speech() -> None:
    analysis = analyse(joined(silence(4), speech_like(2), silence(1)), RATE)
    assert analysis.seconds == pytest.approx(7.0)
    assert analysis.speech_seconds == pytest.approx(2.0, abs=0.3)


def test_loudness_is_in_decibels_of_full_scale() -> None:
    full_scale_square = np.where(np.arange(RATE) % 100 < 50, 1.0, -1.0).astype(np.float32)
    assert analyse(full_scale_square, RATE).loud_dbfs == pytest.approx(0.0, abs=0.1)
    assert analyse(full_scale_square / 10, RATE).loud_dbfs == pytest.approx(-20.0, abs=0.1)


def test_a_refusal_names_the_field_and_what_to_do() -> None:
    with pytest.raises(BadReferenceError, match="record again") as caught:
        refuse_unusable(analyse(silence(3), RATE), param="audio_sample")
    assert caught.value.param == "audio_sample"
