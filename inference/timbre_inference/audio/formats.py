"""The response formats: what each is called on the wire, and how it is made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PCM_SAMPLE_RATE = 24_000
"""OpenAI's `pcm` has no header, so its rate is part of the contract."""


class AudioFormat(StrEnum):
    """The values of `response_format`."""

    MP3 = "mp3"
    OPUS = "opus"
    AAC = "aac"
    FLAC = "flac"
    WAV = "wav"
    PCM = "pcm"


@dataclass(frozen=True)
class FormatFacts:
    """How one format is written."""

    media_type: str
    container: str = ""
    """FFmpeg's muxer; empty where the bytes are laid out here."""
    codec: str = ""
    bit_rate: int | None = None
    sample_rates: tuple[int, ...] = ()
    """The rates the codec takes, ascending; empty where any will do."""
    options: tuple[tuple[str, str], ...] = ()
    """Options of the muxer that make it write without ever seeking back."""


FORMATS: dict[AudioFormat, FormatFacts] = {
    AudioFormat.MP3: FormatFacts(
        "audio/mpeg",
        "mp3",
        "libmp3lame",
        64_000,
        (16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
        (("write_xing", "0"), ("id3v2_version", "0")),
    ),
    AudioFormat.OPUS: FormatFacts(
        "audio/ogg",
        "ogg",
        "libopus",
        32_000,
        (16_000, 24_000, 48_000),
        # Microseconds. FFmpeg's own second-long pages would hold a short first sentence back.
        (("page_duration", "100000"),),
    ),
    AudioFormat.AAC: FormatFacts("audio/aac", "adts", "aac", 64_000, (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)),
    AudioFormat.FLAC: FormatFacts("audio/flac", "flac", "flac"),
    AudioFormat.WAV: FormatFacts("audio/wav"),
    AudioFormat.PCM: FormatFacts("audio/pcm", sample_rates=(PCM_SAMPLE_RATE,)),
}


def output_sample_rate(audio_format: AudioFormat, model_sample_rate: int) -> int:
    """The rate a file is written at: the model's own where the codec takes it, else the next above."""
    rates = FORMATS[audio_format].sample_rates
    if not rates or model_sample_rate in rates:
        return model_sample_rate
    return next((rate for rate in rates if rate > model_sample_rate), rates[-1])
