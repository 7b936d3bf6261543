"""What a client gets wrong comes back at once: 4xx, OpenAI's shape, and what to do."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GOOD: dict[str, Any] = {"model": "tts-1", "voice": "alloy", "input": "Hello."}


def assert_refused(answer: httpx.Response, status: int, code: str, param: str | None) -> None:
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param), error
    assert error["type"] == "invalid_request_error"
    assert len(error["message"]) > 15


@pytest.mark.parametrize(
    ("changes", "status", "code", "param"),
    [
        pytest.param({"input": ""}, 422, "empty_input", "input", id="empty text"),
        pytest.param({"input": " \n\t "}, 422, "empty_input", "input", id="white space"),
        pytest.param({"input": "a" * 501}, 422, "input_too_long", "input", id="too long"),
        pytest.param({"input": "a\x00b"}, 422, "control_characters", "input", id="a zero byte"),
        pytest.param({"input": "\x1b[31mred"}, 422, "control_characters", "input", id="a terminal's escape"),
        pytest.param({"input": "... !!! ???"}, 422, "unspeakable_input", "input", id="punctuation alone"),
        pytest.param({"input": "🎉🎉🎉"}, 422, "unspeakable_input", "input", id="pictures alone"),
        pytest.param({"input": "你好"}, 422, "unspeakable_input", "input", id="a script the voice cannot read"),
        pytest.param({"input": 5}, 422, "invalid_value", "input", id="a number"),
        pytest.param({"input": None}, 422, "invalid_value", "input", id="null"),
        pytest.param({"input": ["a"]}, 422, "invalid_value", "input", id="a list"),
        pytest.param({"voice": "nobody"}, 404, "voice_not_found", "voice", id="an unknown voice"),
        pytest.param({"voice": {"id": "voice_" + "0" * 24}}, 404, "voice_not_found", "voice", id="a deleted voice"),
        pytest.param({"voice": "../../etc/passwd"}, 404, "voice_not_found", "voice", id="a path for a voice"),
        pytest.param({"voice": ""}, 422, "invalid_value", "voice", id="an empty voice"),
        pytest.param({"voice": {"name": "x"}}, 422, "invalid_value", "voice", id="a voice without id"),
        pytest.param({"model": "whisper-1"}, 404, "model_not_found", "model", id="another model"),
        pytest.param({"speed": 0.2}, 422, "invalid_value", "speed", id="too slow"),
        pytest.param({"speed": 4.1}, 422, "invalid_value", "speed", id="too fast"),
        pytest.param({"speed": "fast"}, 422, "invalid_value", "speed", id="a word for speed"),
        pytest.param({"response_format": "ogg"}, 422, "invalid_value", "response_format", id="an unknown format"),
        pytest.param({"stream_format": "ws"}, 422, "invalid_value", "stream_format", id="an unknown stream"),
        pytest.param({"seed": -1}, 422, "invalid_value", "seed", id="a negative seed"),
        pytest.param({"seed": 2**32}, 422, "invalid_value", "seed", id="a seed too large"),
        pytest.param({"volume": 3}, 422, "unknown_parameter", "volume", id="a field that does not exist"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    http: httpx.Client, changes: dict[str, Any], status: int, code: str, param: str
) -> None:
    assert_refused(http.post("/v1/audio/speech", json={**GOOD, **changes}), status, code, param)


@pytest.mark.parametrize("missing", ["model", "input", "voice"])
def test_a_field_that_is_missing_is_named(http: httpx.Client, missing: str) -> None:
    order = {name: value for name, value in GOOD.items() if name != missing}
    assert_refused(http.post("/v1/audio/speech", json=order), 422, "missing_required_parameter", missing)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"input=hello",
        b'{"input": "\xff\xfe"}',
        b'{"input": "\\ud800"}',
        b"[" * 10_000,
        b'{"speed": NaN}x',
    ],
    ids=["nothing", "half", "a form", "not UTF-8", "half a character", "a deep pit", "more after the end"],
)
def test_a_body_that_is_not_json_is_a_400(http: httpx.Client, body: bytes) -> None:
    answer = http.post("/v1/audio/speech", content=body, headers={"Content-Type": "application/json"})
    assert_refused(answer, 400, "malformed_request", None)


@pytest.mark.parametrize("body", ["[]", "null", "3", '"text"'])
def test_json_that_is_no_object_is_refused(http: httpx.Client, body: str) -> None:
    answer = http.post("/v1/audio/speech", content=body, headers={"Content-Type": "application/json"})
    assert_refused(answer, 422, "invalid_value", None)


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type_is_a_415(http: httpx.Client, media_type: str) -> None:
    answer = http.post("/v1/audio/speech", content=json.dumps(GOOD), headers={"Content-Type": media_type})
    assert_refused(answer, 415, "unsupported_media_type", None)


def test_json_far_above_any_text_is_a_413(http: httpx.Client) -> None:
    answer = http.post("/v1/audio/speech", json={**GOOD, "input": "a" * 500_000})
    assert_refused(answer, 413, "request_too_large", None)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/audio/speech/", 404, "not_found"),
        ("POST", "/", 405, "method_not_allowed"),
        ("PUT", "/v1/audio/speech", 405, "method_not_allowed"),
        ("GET", "/v1/audio/speech", 405, "method_not_allowed"),
        ("GET", "/docs", 404, "not_found"),
        ("GET", "/..%2f..%2fetc%2fpasswd", 404, "not_found"),
    ],
)
def test_a_path_or_method_that_does_not_exist(
    http: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    assert_refused(http.request(method, path, follow_redirects=False), status, code, None)


def test_a_method_that_does_not_exist_comes_with_those_that_do(http: httpx.Client) -> None:
    assert http.get("/v1/audio/speech").headers["allow"] == "POST"


def test_openais_client_raises_its_own_errors(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        sdk.audio.speech.create(model="tts-1", voice="alloy", input="")
    assert refused.value.code == "empty_input"
    assert refused.value.request_id
    with pytest.raises(openai.NotFoundError, match="GET /v1/audio/voices lists"):
        sdk.audio.speech.create(model="tts-1", voice="nobody", input="Hello.")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("model", "input", "voice", "response_format", "speed", "stream_format", "instructions", "seed", "extra")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6))
def test_no_json_whatsoever_is_the_servers_fault(http: httpx.Client, order: dict[str, Any]) -> None:
    body = json.dumps({**GOOD, **order}).encode("utf-8", "surrogatepass")
    answer = http.post("/v1/audio/speech", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200 or 400 <= answer.status_code < 500, (order, answer.text)
    if answer.status_code != 200:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
