"""Waveforms, one after another, become the bytes of one audio file as they come."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Protocol, cast

import av
import numpy as np
import numpy.typing as npt
import soxr
from av.audio import AudioStream

from timbre_inference.audio.formats import FORMATS, AudioFormat, FormatFacts, output_sample_rate

Waveform = npt.NDArray[np.float32]

UNKNOWN_LENGTH = 0xFFFFFFFF
"""What a WAV header says while nobody knows how long the file will be."""


class Encoder(Protocol):
    """Makes one file: any number of `encode`, then `finish` once; joined, the bytes are the file."""

    def encode(self, waveform: Waveform) -> bytes: ...

    def finish(self) -> bytes: ...


def open_encoder(audio_format: AudioFormat, sample_rate: int, total_samples: int | None = None) -> Encoder:
    """An encoder for mono waveforms at `sample_rate`.

    With `total_samples` known, the headers of WAV and FLAC tell the length; else they say that it is unknown.
    """
    facts = FORMATS[audio_format]
    rate = output_sample_rate(audio_format, sample_rate)
    resampler = Resampler(sample_rate, rate)
    if audio_format is AudioFormat.FLAC and total_samples is not None:
        return KnownLengthFlacEncoder(ContainerEncoder(facts, rate, resampler), total_samples)
    if facts.container:
        return ContainerEncoder(facts, rate, resampler)
    header = wav_header(rate, total_samples) if audio_format is AudioFormat.WAV else b""
    return PcmEncoder(header, resampler)


def encode_file(audio_format: AudioFormat, waveform: Waveform, sample_rate: int) -> bytes:
    """One whole file."""
    encoder = open_encoder(audio_format, sample_rate, len(waveform))
    return encoder.encode(waveform) + encoder.finish()


def to_int16(waveform: Waveform) -> npt.NDArray[np.int16]:
    """Full scale is 32767; what lies outside -1..1 is clipped, what is not a number is silence."""
    finite = np.nan_to_num(waveform, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.round(np.clip(finite, -1.0, 1.0) * 32767.0).astype("<i2")


def wav_header(sample_rate: int, total_samples: int | None) -> bytes:
    """The 44 bytes before 16-bit mono samples."""
    data_bytes = UNKNOWN_LENGTH if total_samples is None else total_samples * 2
    riff_bytes = UNKNOWN_LENGTH if total_samples is None else data_bytes + 36
    layout = struct.pack("<HHIIHH", 1, 1, sample_rate, sample_rate * 2, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", riff_bytes)
        + b"WAVEfmt "
        + struct.pack("<I", len(layout))
        + layout
        + b"data"
        + struct.pack("<I", data_bytes)
    )


class Resampler:
    """A change of rate that carries its filter's state from one waveform to the next."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self._stream = (
            None if source_rate == target_rate else soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32")
        )

    def push(self, waveform: Waveform, *, last: bool = False) -> Waveform:
        """What can be said so far at the target rate; with `last`, everything that is left."""
        if self._stream is None:
            return waveform
        return np.asarray(self._stream.resample_chunk(waveform, last=last), dtype=np.float32)


class PcmEncoder:
    """Bare 16-bit samples, after a header or none."""

    def __init__(self, header: bytes, resampler: Resampler) -> None:
        self._header = header
        self._resampler = resampler

    def encode(self, waveform: Waveform) -> bytes:
        return self._take_header() + to_int16(self._resampler.push(waveform)).tobytes()

    def finish(self) -> bytes:
        rest = self._resampler.push(np.zeros(0, np.float32), last=True)
        return self._take_header() + to_int16(rest).tobytes()

    def _take_header(self) -> bytes:
        header, self._header = self._header, b""
        return header


class ByteSink:
    """A file for FFmpeg to write to that cannot seek, as a response cannot."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        """What was written since the last call."""
        taken = bytes(self._written)
        self._written.clear()
        return taken


class ContainerEncoder:
    """A file of one of FFmpeg's muxers and codecs."""

    def __init__(self, facts: FormatFacts, sample_rate: int, resampler: Resampler) -> None:
        self._sink = ByteSink()
        self._resampler = resampler
        self._sample_rate = sample_rate
        self._samples_in = 0
        # flush_packets: each sentence leaves as soon as it is encoded, not when FFmpeg's buffer is full.
        options = {"flush_packets": "1", **dict(facts.options)}
        self._container = av.open(self._sink, "w", format=facts.container, options=options)
        self._stream = cast("AudioStream", self._container.add_stream(facts.codec, rate=sample_rate, layout="mono"))
        if facts.bit_rate is not None:
            self._stream.bit_rate = facts.bit_rate
        self._to_codec = av.AudioResampler(format=self._stream.format, layout="mono", rate=sample_rate)

    def encode(self, waveform: Waveform) -> bytes:
        self._write(self._resampler.push(waveform))
        return self._sink.take()

    def finish(self) -> bytes:
        self._write(self._resampler.push(np.zeros(0, np.float32), last=True))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()

    def _write(self, waveform: Waveform) -> None:
        if not len(waveform):
            return
        samples = np.ascontiguousarray(to_int16(waveform)[np.newaxis, :])
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = self._sample_rate
        frame.pts = self._samples_in
        frame.time_base = Fraction(1, self._sample_rate)
        self._samples_in += len(waveform)
        for converted in self._to_codec.resample(frame):
            self._container.mux(self._stream.encode(converted))


class KnownLengthFlacEncoder:
    """FLAC whose STREAMINFO tells the length, which FFmpeg can only fill in by seeking back.

    Readers that allocate before they decode (libsndfile) refuse a FLAC file of unknown length.
    """

    _STREAM_FACTS = slice(18, 26)
    """20 bits of sample rate, 3 of channels, 5 of depth, 36 of length: RFC 9639, section 8.2."""

    def __init__(self, encoder: ContainerEncoder, total_samples: int) -> None:
        self._encoder = encoder
        self._total_samples = total_samples
        self._head_is_out = False

    def encode(self, waveform: Waveform) -> bytes:
        return self._with_length(self._encoder.encode(waveform))

    def finish(self) -> bytes:
        return self._with_length(self._encoder.finish())

    def _with_length(self, data: bytes) -> bytes:
        if self._head_is_out or not data:
            return data
        self._head_is_out = True
        patched = bytearray(data)
        stream_facts = int.from_bytes(patched[self._STREAM_FACTS], "big") | self._total_samples
        patched[self._STREAM_FACTS] = stream_facts.to_bytes(8, "big")
        return bytes(patched)
