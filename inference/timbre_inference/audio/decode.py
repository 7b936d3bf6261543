"""Uploads of any kind become a mono waveform, in bounded memory, with FFmpeg kept on a short lead."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import av
import av.error
import numpy as np
import numpy.typing as npt

from timbre_inference.audio.encode import Resampler, Waveform
from timbre_inference.errors import BadReferenceError

ALLOWED_CONTAINERS = "wav,w64,aiff,au,caf,flac,mp3,aac,ogg,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,amr,amrnb,amrwb"
"""No playlists (hls, concat, dash, sdp): FFmpeg would open the addresses and files that they name."""

ALLOWED_PROTOCOLS = "none"
"""A name that no protocol has, so that nothing beside the upload itself can be opened."""

MAX_BAD_PACKET_SHARE = 0.1
"""A recorder's last packet may be cut short; a file with more than this undecodable is corrupt."""

MAX_CHANNELS = 64
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 4_000, 768_000
"""Below the first, a few kilobytes would expand to hours; no recorder is above the second."""

_FULL_SCALE: dict[str, tuple[float, float]] = {
    # FFmpeg's sample format: (what is silence, what is one)
    "u8": (128.0, 128.0),
    "s16": (0.0, 32_768.0),
    "s32": (0.0, 2_147_483_648.0),
    "s64": (0.0, 9_223_372_036_854_775_808.0),
    "flt": (0.0, 1.0),
    "dbl": (0.0, 1.0),
}


@dataclass(frozen=True)
class DecodeLimits:
    """What a reference may be before anyone looks at how it sounds."""

    sample_rate: int
    """The rate to decode to, in Hz."""
    max_seconds: float


def decode_reference(source: BinaryIO, limits: DecodeLimits, *, param: str = "file") -> Waveform:
    """The upload's first audio track as a mono waveform.

    Raises `BadReferenceError` for what is not audio, is damaged or lasts longer than the limit; memory never
    holds more than the limit, whatever the file claims or expands to.
    """
    try:
        with _open(source) as container:
            return _decode(container, limits)
    except BadReferenceError as error:
        raise BadReferenceError(error.message, param=param, code=error.code) from error.__cause__
    except (av.error.FFmpegError, ValueError, EOFError) as error:
        raise BadReferenceError(
            "The file is not audio that can be read: send wav, mp3, flac, ogg, opus, m4a, webm or aac.",
            param=param,
            code="reference_not_audio",
        ) from error


def _open(source: BinaryIO) -> av.container.InputContainer:
    lead = {"format_whitelist": ALLOWED_CONTAINERS, "protocol_whitelist": ALLOWED_PROTOCOLS}
    return av.open(source, "r", options=lead, metadata_errors="replace")


def _decode(container: av.container.InputContainer, limits: DecodeLimits) -> Waveform:
    if not container.streams.audio:
        raise BadReferenceError("The file has no audio track. Send a recording with sound.", code="reference_not_audio")
    pieces: list[Waveform] = []
    room = math.ceil(limits.max_seconds * limits.sample_rate)
    for piece in _resampled(_mono_pieces(container), limits.sample_rate):
        pieces.append(piece)
        room -= len(piece)
        if room < 0:
            raise BadReferenceError(
                f"The recording is longer than {limits.max_seconds:g} seconds. Send a shorter one: "
                "ten seconds of clear speech are enough.",
                code="reference_too_long",
            )
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _mono_pieces(container: av.container.InputContainer) -> Iterator[tuple[int, Waveform]]:
    """The track frame by frame, each with its sample rate; bad packets are skipped while they are few."""
    packets = bad_packets = 0
    for packet in container.demux(container.streams.audio[0]):
        packets += 1
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            bad_packets += 1
            continue
        for frame in frames:
            yield frame.sample_rate, mono(frame)
    if bad_packets > max(1, packets * MAX_BAD_PACKET_SHARE):
        raise BadReferenceError(
            f"The recording is damaged: {bad_packets} of {packets} packets cannot be decoded. Export it again.",
            code="reference_corrupt",
        )


def _resampled(pieces: Iterator[tuple[int, Waveform]], sample_rate: int) -> Iterator[Waveform]:
    """All at one rate, even where a chained file changes its own half way."""
    resampler, current_rate = None, 0
    nothing = np.zeros(0, np.float32)
    for source_rate, piece in pieces:
        if resampler is None or source_rate != current_rate:
            if resampler is not None:
                yield resampler.push(nothing, last=True)
            resampler, current_rate = Resampler(source_rate, sample_rate), source_rate
        yield resampler.push(piece)
    if resampler is not None:
        yield resampler.push(nothing, last=True)


def mono(frame: av.AudioFrame) -> Waveform:
    """The mean of a frame's channels, as float in -1..1."""
    channels = frame.layout.nb_channels
    rate_is_real = MIN_SAMPLE_RATE <= frame.sample_rate <= MAX_SAMPLE_RATE
    if not rate_is_real or not 1 <= channels <= MAX_CHANNELS:
        raise BadReferenceError(
            f"The audio track has {channels} channels at {frame.sample_rate} Hz. Send mono or stereo speech.",
            code="reference_not_audio",
        )
    zero, one = _FULL_SCALE[frame.format.name.removesuffix("p")]
    samples: npt.NDArray[np.float32] = frame.to_ndarray().astype(np.float32)
    if frame.format.is_packed:
        samples = samples.reshape(-1, channels).T  # [channels, samples]
    return np.asarray((samples.mean(axis=0) - zero) / one, dtype=np.float32)
