"""Recordings for tests: made, not recorded, so that nobody's voice lies in the repository."""

from __future__ import annotations

import io

import av
import numpy as np

from timbre_inference.audio.encode import Waveform, encode_file
from timbre_inference.audio.formats import AudioFormat

RATE = 16_000


def speech_like(seconds: float, *, pitch: float = 120.0, rate: int = RATE, level: float = 0.3) -> Waveform:
    """A buzz at `pitch` whose loudness rises and falls four times a second, as syllables do."""
    time = np.arange(round(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * pitch * harmonic * time) / harmonic for harmonic in range(1, 12))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time)
    return np.asarray(level * buzz / 2 * syllables, dtype=np.float32)


def recording(seconds: float = 3.0, audio_format: AudioFormat = AudioFormat.WAV, *, pitch: float = 120.0) -> bytes:
    """A whole file of `speech_like`."""
    return encode_file(audio_format, speech_like(seconds, pitch=pitch), RATE)


def silence(seconds: float) -> bytes:
    """A wav file of nothing."""
    return encode_file(AudioFormat.WAV, np.zeros(round(seconds * RATE), np.float32), RATE)


def video_without_sound() -> bytes:
    """An mp4 file with a picture and no audio track."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
        for _ in range(10):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sink.getvalue()


def with_wav_header(wav: bytes, offset: int, field: bytes) -> bytes:
    """A copy of a wav file whose header says something else at `offset`."""
    return wav[:offset] + field + wav[offset + len(field) :]
