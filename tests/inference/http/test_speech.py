"""`POST /v1/audio/speech`, through OpenAI's own client where it reaches."""

from __future__ import annotations

import base64
import io
import json

import av
import httpx
import numpy as np
import openai
import pytest
import soundfile

from timbre_inference.audio.formats import AudioFormat

TWO_SENTENCES = "The first sentence is here. And here is the second one."


def seconds_of(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_openais_client_gets_every_format(sdk: openai.OpenAI, audio_format: AudioFormat) -> None:
    answer = sdk.audio.speech.create(
        model="tts-1", voice="alloy", input=TWO_SENTENCES, response_format=audio_format.value
    )
    if audio_format is AudioFormat.PCM:
        assert len(answer.content) / 2 / 24_000 > 0.5
    else:
        assert seconds_of(answer.content) > 0.5


def test_mp3_is_the_default(http: httpx.Client) -> None:
    answer = http.post("/v1/audio/speech", json={"model": "tts-1", "voice": "alloy", "input": "Hello there."})
    assert answer.headers["content-type"] == "audio/mpeg"


def test_openais_client_streams_into_a_file(sdk: openai.OpenAI, tmp_path: object) -> None:
    with sdk.audio.speech.with_streaming_response.create(
        model="timbre-en", voice="two", input=TWO_SENTENCES, response_format="wav"
    ) as answer:
        pieces = list(answer.iter_bytes())
    assert b"".join(pieces)[:4] == b"RIFF"
    assert answer.headers["transfer-encoding"] == "chunked"


def test_openais_client_takes_server_sent_events(http: httpx.Client, sdk: openai.OpenAI) -> None:
    order = {"model": "tts-1", "voice": "alloy", "input": TWO_SENTENCES, "response_format": "pcm"}
    answer = http.post("/v1/audio/speech", json={**order, "stream_format": "sse"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    *deltas, done = events
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(event["audio"]) for event in deltas) == sdk.audio.speech.create(**order).content
    assert done["type"] == "speech.audio.done"
    assert done["usage"]["total_tokens"] == done["usage"]["input_tokens"] + done["usage"]["output_tokens"] > 0


def test_one_sentence_comes_as_a_whole_file_with_its_length(http: httpx.Client) -> None:
    order = {"model": "tts-1", "voice": "alloy", "input": "One sentence.", "response_format": "wav"}
    answer = http.post("/v1/audio/speech", json=order)
    assert int(answer.headers["content-length"]) == len(answer.content)
    samples, _ = soundfile.read(io.BytesIO(answer.content))
    assert len(samples) * 2 + 44 == len(answer.content)


def spoken(http: httpx.Client, **changes: object) -> np.ndarray:
    order = {"model": "tts-1", "voice": "one", "input": "The same words.", "response_format": "pcm", **changes}
    answer = http.post("/v1/audio/speech", json=order)
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, "<i2")


def test_the_same_request_is_the_same_sound(http: httpx.Client) -> None:
    np.testing.assert_array_equal(spoken(http), spoken(http))


@pytest.mark.parametrize("change", [{"seed": 7}, {"voice": "two"}, {"input": "Other words."}])
def test_another_request_is_another_sound(http: httpx.Client, change: dict[str, object]) -> None:
    before, after = spoken(http), spoken(http, **change)
    assert len(before) != len(after) or (before != after).any()


@pytest.mark.parametrize(
    "voice", ["alloy", "nova", "MARIN", {"id": "one"}, "one"], ids=["alloy", "nova", "MARIN", "object", "name"]
)
def test_openais_voices_are_the_default_voice(http: httpx.Client, voice: object) -> None:
    np.testing.assert_array_equal(spoken(http, voice=voice), spoken(http))


def test_speed_changes_how_long_it_takes_to_say(http: httpx.Client) -> None:
    slow, normal, fast = (len(spoken(http, speed=speed)) for speed in (0.5, 1.0, 2.0))
    assert slow > 1.5 * normal > 2.2 * fast


def test_instructions_are_accepted(http: httpx.Client) -> None:
    np.testing.assert_array_equal(spoken(http, instructions="Cheerfully!"), spoken(http))


def test_a_request_id_goes_in_and_out(http: httpx.Client) -> None:
    order = {"model": "tts-1", "voice": "alloy", "input": "Hello."}
    answer = http.post("/v1/audio/speech", json=order, headers={"X-Request-Id": "abc-123"})
    assert answer.headers["x-request-id"] == "abc-123"
    for bad in ("", "a b", "x" * 200, "a;b"):
        answered = http.get("/v1/models", headers={"X-Request-Id": bad}).headers["x-request-id"]
        assert answered.startswith("req_")


def test_the_model_is_listed(sdk: openai.OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["timbre-en"]
    assert sdk.models.retrieve("timbre-en").object == "model"
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("gpt-9")
