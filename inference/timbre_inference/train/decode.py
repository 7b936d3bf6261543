"""Decodes a clip of any common format to a mono waveform."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt


class DecodeError(Exception):
    """The file holds no audio that FFmpeg can read."""


def decode_file(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    """The first audio stream as float32 mono and its sample rate."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise DecodeError(f"{path.name} has no audio stream")
            stream = container.streams.audio[0]
            resampler = av.AudioResampler(format="flt", layout="mono")
            chunks = [
                converted.to_ndarray().reshape(-1)
                for frame in container.decode(stream)
                for converted in resampler.resample(frame)
            ]
            rate = stream.codec_context.sample_rate
    except av.FFmpegError as error:
        raise DecodeError(f"{path.name}: {error}") from error
    if not chunks:
        raise DecodeError(f"{path.name} holds no samples")
    return np.concatenate(chunks), rate
