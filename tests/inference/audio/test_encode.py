from __future__ import annotations

import io
import struct

import av
import numpy as np
import pytest
import soundfile

from tests.support.sounds import speech_like
from timbre_inference.audio.encode import UNKNOWN_LENGTH, encode_file, open_encoder, to_int16, wav_header
from timbre_inference.audio.formats import AudioFormat, output_sample_rate

RATE = 22_050
CONTAINERS = [audio_format for audio_format in AudioFormat if audio_format is not AudioFormat.PCM]


def seconds_of(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def in_pieces(audio_format: AudioFormat, pieces: int) -> list[bytes]:
    encoder = open_encoder(audio_format, RATE)
    waveform = speech_like(3.0, rate=RATE)
    return [*(encoder.encode(piece) for piece in np.array_split(waveform, pieces)), encoder.finish()]


@pytest.mark.parametrize("audio_format", CONTAINERS)
def test_a_file_made_in_one_go_lasts_as_long_as_the_speech(audio_format: AudioFormat) -> None:
    data = encode_file(audio_format, speech_like(3.0, rate=RATE), RATE)
    assert seconds_of(data) == pytest.approx(3.0, abs=0.08)


@pytest.mark.parametrize("audio_format", CONTAINERS)
def test_a_file_made_sentence_by_sentence_lasts_as_long_as_the_speech(audio_format: AudioFormat) -> None:
    assert seconds_of(b"".join(in_pieces(audio_format, 5))) == pytest.approx(3.0, abs=0.08)


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_most_of_a_sentence_leaves_before_the_next_one_comes(audio_format: AudioFormat) -> None:
    first, *rest = in_pieces(audio_format, 2)
    assert len(first) > 0.35 * (len(first) + sum(map(len, rest)))


def test_pcm_is_16_bit_at_24_kilohertz_whatever_the_model_speaks_at() -> None:
    data = b"".join(in_pieces(AudioFormat.PCM, 3))
    samples = np.frombuffer(data, "<i2")
    assert len(samples) / 24_000 == pytest.approx(3.0, abs=0.001)
    spectrum = np.abs(np.fft.rfft(samples[:24_000].astype(float)))
    assert spectrum.argmax() == pytest.approx(120, abs=4)


def test_pcm_in_pieces_has_no_seam() -> None:
    whole = encode_file(AudioFormat.PCM, speech_like(3.0, rate=RATE), RATE)
    assert b"".join(in_pieces(AudioFormat.PCM, 7)) == whole


def test_a_wav_stream_has_one_header_that_leaves_its_length_open() -> None:
    data = b"".join(in_pieces(AudioFormat.WAV, 4))
    assert data.count(b"RIFF") == 1
    assert struct.unpack("<I", data[40:44]) == (UNKNOWN_LENGTH,)
    assert data[44:] == to_int16(speech_like(3.0, rate=RATE)).tobytes()


@pytest.mark.parametrize("audio_format", [AudioFormat.WAV, AudioFormat.FLAC])
def test_a_whole_file_tells_its_length_to_readers_that_allocate_first(audio_format: AudioFormat) -> None:
    samples, rate = soundfile.read(io.BytesIO(encode_file(audio_format, speech_like(3.0, rate=RATE), RATE)))
    assert (len(samples), rate) == (3 * RATE, RATE)


def test_flac_is_lossless_to_16_bits() -> None:
    waveform = speech_like(1.0, rate=RATE)
    samples, _ = soundfile.read(io.BytesIO(encode_file(AudioFormat.FLAC, waveform, RATE)), dtype="int16")
    np.testing.assert_array_equal(samples, to_int16(waveform))


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_a_file_of_nothing_is_still_a_file(audio_format: AudioFormat) -> None:
    data = encode_file(audio_format, np.zeros(0, np.float32), RATE)
    assert isinstance(data, bytes)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, 0), (1.0, 32767), (-1.0, -32767), (3.0, 32767), (float("nan"), 0), (float("-inf"), -32767)],
)
def test_a_sample_becomes_16_bits(value: float, expected: int) -> None:
    assert to_int16(np.array([value], np.float32)).tolist() == [expected]


@pytest.mark.parametrize(
    ("audio_format", "model_rate", "expected"),
    [
        (AudioFormat.PCM, 22_050, 24_000),
        (AudioFormat.WAV, 22_050, 22_050),
        (AudioFormat.FLAC, 44_100, 44_100),
        (AudioFormat.MP3, 22_050, 22_050),
        (AudioFormat.OPUS, 22_050, 24_000),
        (AudioFormat.OPUS, 44_100, 48_000),
        (AudioFormat.MP3, 96_000, 48_000),
    ],
)
def test_a_format_keeps_the_models_rate_or_takes_the_next(
    audio_format: AudioFormat, model_rate: int, expected: int
) -> None:
    assert output_sample_rate(audio_format, model_rate) == expected


def test_the_wav_header_is_what_the_format_says() -> None:
    header = wav_header(24_000, 100)
    assert len(header) == 44
    assert struct.unpack("<4sI4s4sIHHIIHH4sI", header) == (
        b"RIFF", 236, b"WAVE", b"fmt ", 16, 1, 1, 24_000, 48_000, 2, 16, b"data", 200,
    )  # fmt: skip
