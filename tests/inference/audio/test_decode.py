from __future__ import annotations

import io
import resource
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.sounds import RATE, recording, speech_like, video_without_sound, with_wav_header
from timbre_inference.audio.decode import DecodeLimits, decode_reference
from timbre_inference.audio.encode import Waveform, encode_file
from timbre_inference.audio.formats import AudioFormat
from timbre_inference.errors import BadReferenceError

LIMITS = DecodeLimits(sample_rate=16_000, max_seconds=30.0)
CHANNELS, SAMPLE_RATE = 22, 24


def decode(data: bytes) -> Waveform:
    return decode_reference(io.BytesIO(data), LIMITS)


def refusal(data: bytes) -> BadReferenceError:
    with pytest.raises(BadReferenceError) as caught:
        decode(data)
    return caught.value


def scrambled(data: bytes, count: int) -> bytes:
    random = np.random.default_rng(1)
    noisy = bytearray(data)
    for position in random.integers(400, len(noisy), count):
        noisy[position] = random.integers(256)
    return bytes(noisy)


@pytest.mark.parametrize("audio_format", [f for f in AudioFormat if f is not AudioFormat.PCM])
def test_what_the_server_writes_it_can_read(audio_format: AudioFormat) -> None:
    waveform = decode(recording(3.0, audio_format))
    assert waveform.dtype == np.float32
    assert len(waveform) / 16_000 == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_every_kind_of_sample_comes_out_at_the_same_level(subtype: str) -> None:
    sink = io.BytesIO()
    soundfile.write(sink, speech_like(1.0), RATE, subtype, format="WAV")
    np.testing.assert_allclose(decode(sink.getvalue()), speech_like(1.0), atol=0.02)


@pytest.mark.parametrize("channels", [2, 6, 10])
def test_channels_are_averaged(channels: int) -> None:
    sink = io.BytesIO()
    loud_left = np.zeros((RATE, channels), np.float32)
    loud_left[:, 0] = speech_like(1.0)
    soundfile.write(sink, loud_left, RATE, "FLOAT", format="WAV")
    np.testing.assert_allclose(decode(sink.getvalue()), speech_like(1.0) / channels, atol=1e-4)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_any_rate_becomes_the_encoders(rate: int) -> None:
    waveform = decode(encode_file(AudioFormat.WAV, speech_like(2.0, rate=rate), rate))
    assert len(waveform) == pytest.approx(32_000, abs=2)
    assert np.abs(np.fft.rfft(waveform[:16_000])).argmax() == pytest.approx(120, abs=4)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"hello world " * 1000, id="text"),
        pytest.param(bytes(100_000), id="zeros"),
        pytest.param(np.random.default_rng(0).bytes(100_000), id="noise"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(1000), id="a picture"),
        pytest.param(b"%PDF-1.7\n" + bytes(1000), id="a document"),
        pytest.param(b"PK\x03\x04" + bytes(1000), id="an archive"),
        pytest.param(video_without_sound(), id="a film without sound"),
        pytest.param(with_wav_header(recording(), CHANNELS, b"\0\0"), id="no channels"),
        pytest.param(with_wav_header(recording(), CHANNELS, b"\xff\xff"), id="65535 channels"),
        pytest.param(with_wav_header(recording(), SAMPLE_RATE, struct.pack("<I", 0)), id="no rate"),
        pytest.param(with_wav_header(recording(), SAMPLE_RATE, struct.pack("<I", 1)), id="one sample a second"),
        pytest.param(with_wav_header(recording(), SAMPLE_RATE, struct.pack("<I", 2**31 - 1)), id="a huge rate"),
        pytest.param(scrambled(recording(3.0, AudioFormat.MP3), 3000), id="a scrambled mp3"),
    ],
)
def test_what_is_not_audio_is_refused_with_what_to_send(data: bytes) -> None:
    error = refusal(data)
    assert error.code in {"reference_not_audio", "reference_corrupt"}
    assert "Send" in error.message or "send" in error.message


@pytest.mark.parametrize("audio_format", [AudioFormat.MP3, AudioFormat.OPUS, AudioFormat.FLAC, AudioFormat.WAV])
def test_a_recording_that_was_cut_short_gives_what_is_there(audio_format: AudioFormat) -> None:
    data = recording(3.0, audio_format)
    assert 0.5 < len(decode(data[: len(data) * 2 // 3])) / 16_000 < 2.5


def test_a_recording_above_the_limit_is_refused() -> None:
    assert refusal(recording(30.5)).code == "reference_too_long"


def test_a_small_file_that_unpacks_to_hours_costs_no_memory() -> None:
    bomb = encode_file(AudioFormat.FLAC, np.zeros(1800 * 8000, np.float32), 8000)
    assert len(bomb) < 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(5):
        assert refusal(bomb).code == "reference_too_long"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


@pytest.mark.parametrize("kind", ["hls", "concat", "sdp"])
def test_a_playlist_opens_no_address_and_no_file(kind: str, tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(recording())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        visitors = _count_visitors(listener)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.wav"
        for target in (address, f"file://{tmp_path}/secret.wav", f"{tmp_path}/secret.wav"):
            assert refusal(_playlist(kind, target)).code == "reference_not_audio"
    assert visitors == []


def _playlist(kind: str, target: str) -> bytes:
    texts = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{target}'\n",
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\na=control:{target}\n",
    }
    return texts[kind].encode()


def _count_visitors(listener: socket.socket) -> list[str]:
    visitors: list[str] = []

    def accept() -> None:
        try:
            while True:
                connection, _ = listener.accept()
                visitors.append("somebody")
                connection.close()
        except OSError:
            return

    threading.Thread(target=accept, daemon=True).start()
    return visitors
