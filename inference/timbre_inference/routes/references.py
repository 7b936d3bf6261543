"""From an uploaded recording to a waveform that a voice can be taken from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from timbre_inference.api import Api
from timbre_inference.audio.analysis import ReferenceAnalysis, analyse, refuse_unusable
from timbre_inference.audio.decode import DecodeLimits, decode_reference
from timbre_inference.audio.encode import Waveform
from timbre_inference.reading import Upload

RECORDING_NAMES = ("audio_sample", "file", "audio", "reference")
"""OpenAI's name first; the others are what people and other services send."""


@dataclass(frozen=True)
class Reference:
    """A recording that will do."""

    waveform: Waveform
    """At the encoder's rate."""
    analysis: ReferenceAnalysis


async def read_reference(api: Api, upload: Upload) -> Reference:
    """Decode and judge the recording; BadReferenceError says what is wrong with it."""
    context = api.context
    limits = DecodeLimits(context.reference_sample_rate, context.settings.max_reference_seconds)
    return await api.workers.run(usable_reference, upload.recording, limits, upload.param)


def usable_reference(source: BinaryIO, limits: DecodeLimits, param: str) -> Reference:
    """The same, blocking."""
    waveform = decode_reference(source, limits, param=param)
    analysis = analyse(waveform, limits.sample_rate)
    refuse_unusable(analysis, param=param)
    return Reference(waveform, analysis)
