"""How a reference recording sounds, in numbers, and whether a voice can be taken from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from timbre_inference.audio.encode import Waveform
from timbre_inference.errors import BadReferenceError

FRAME_SECONDS = 0.02
SILENCE_DBFS = -60.0
"""The loudest frames below this: nobody spoke, or the microphone was off."""
SPEECH_FLOOR_DBFS = -50.0
"""A frame below this is never speech, however quiet the rest is."""
SPEECH_RANGE_DB = 30.0
"""A frame further than this below the loudest ones is a pause."""
LOUD_PERCENTILE = 95.0
CLIPPED_LEVEL = 0.999
MAX_CLIPPED_SHARE = 0.05
"""More of the samples than this at full scale, and what is left is the clipping's voice."""
MIN_SPEECH_SECONDS = 1.0
_QUIETEST = 1e-10


@dataclass(frozen=True)
class ReferenceAnalysis:
    """What was measured."""

    seconds: float
    speech_seconds: float
    loud_dbfs: float
    """The level of the loudest frames (their 95th percentile)."""
    clipped_share: float


def frame_levels(waveform: Waveform, sample_rate: int) -> npt.NDArray[np.float64]:
    """The level of every 20 ms in dBFS; what is left over at the end is not counted."""
    frame_samples = max(1, round(FRAME_SECONDS * sample_rate))
    frames = len(waveform) // frame_samples
    if frames == 0:
        return np.zeros(0, np.float64)
    power = np.square(waveform[: frames * frame_samples], dtype=np.float64)
    mean_power = power.reshape(frames, frame_samples).mean(axis=1)
    return np.asarray(10.0 * np.log10(np.maximum(mean_power, _QUIETEST)))


def analyse(waveform: Waveform, sample_rate: int) -> ReferenceAnalysis:
    """Measure a mono waveform; samples that are not numbers count as silence."""
    waveform = np.nan_to_num(waveform, nan=0.0, posinf=0.0, neginf=0.0)
    # A microphone's offset is not sound.
    levels = frame_levels(waveform - waveform.mean() if len(waveform) else waveform, sample_rate)
    loud = float(np.percentile(levels, LOUD_PERCENTILE)) if len(levels) else float("-inf")
    speech = levels >= max(SPEECH_FLOOR_DBFS, loud - SPEECH_RANGE_DB)
    clipped = np.abs(waveform) >= CLIPPED_LEVEL
    return ReferenceAnalysis(
        seconds=len(waveform) / sample_rate,
        speech_seconds=float(speech.sum()) * FRAME_SECONDS,
        loud_dbfs=loud,
        clipped_share=float(clipped.mean()) if len(waveform) else 0.0,
    )


def refuse_unusable(analysis: ReferenceAnalysis, *, param: str = "file") -> None:
    """Raise `BadReferenceError` with what to do about it, if no voice can be taken from the recording."""
    refusal = why_unusable(analysis)
    if refusal is not None:
        code, message = refusal
        raise BadReferenceError(message, param=param, code=code)


def why_unusable(analysis: ReferenceAnalysis) -> tuple[str, str] | None:
    """A code and a sentence, or None for a recording that will do."""
    if analysis.seconds < MIN_SPEECH_SECONDS:
        return "reference_too_short", (
            f"The recording lasts {analysis.seconds:.2f} s. Send at least {MIN_SPEECH_SECONDS:g} s of speech; "
            "about ten are best."
        )
    if analysis.loud_dbfs < SILENCE_DBFS:
        return "reference_silent", "The recording is silent. Check the microphone and record again."
    if analysis.speech_seconds < MIN_SPEECH_SECONDS:
        return "reference_too_short", (
            f"Only {analysis.speech_seconds:.2f} s of the recording are speech. Send at least "
            f"{MIN_SPEECH_SECONDS:g} s; about ten are best."
        )
    if analysis.clipped_share > MAX_CLIPPED_SHARE:
        return "reference_clipped", (
            f"{analysis.clipped_share:.0%} of the recording is clipped. Turn the microphone down and record again."
        )
    return None
