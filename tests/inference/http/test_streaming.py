"""Sound that leaves while it is made: early, in order, given up when nobody listens, never half and silent about it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import openai
import pytest
from torch import Tensor

from tests.support.http_server import RunningServer, running_server
from tests.support.waiting import wait_until
from timbre_inference.models.family import FamilyInfo, Plan, SynthesisOptions, VoiceFamily

SHORT, LONG = "Short.", "This sentence is very much longer than the one before it was."
LONG_TOKENS = 40
ORDER = {"model": "tts-1", "voice": "alloy", "response_format": "pcm"}


class Gate:
    """Stands before the real model: long sentences wait until it opens, or fail if it is broken."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.broken = False
        self.planned: list[int] = []
        self.entered = threading.Event()

    def before(self, family: VoiceFamily) -> VoiceFamily:
        return _Gated(family, self)

    def pass_through(self, tokens: Sequence[Sequence[int]]) -> None:
        self.planned += [len(row) for row in tokens]
        if max(map(len, tokens)) < LONG_TOKENS:
            return
        self.entered.set()
        if self.broken:
            raise RuntimeError("the model cannot say this")
        assert self.opened.wait(30)


class _Gated:
    def __init__(self, family: VoiceFamily, gate: Gate) -> None:
        self.info: FamilyInfo = family.info
        self._family = family
        self._gate = gate

    def encode_reference(self, waveforms: Sequence[Tensor]) -> Tensor:
        return self._family.encode_reference(waveforms)

    def plan(
        self, tokens: Sequence[Sequence[int]], embeddings: Tensor, options: Sequence[SynthesisOptions]
    ) -> Sequence[Plan]:
        self._gate.pass_through(tokens)
        return self._family.plan(tokens, embeddings, options)

    def decode(self, plans: Sequence[Plan]) -> list[Tensor]:
        return self._family.decode(plans)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gated")


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(folder: Path, gate: Gate) -> Iterator[RunningServer]:
    with running_server(folder, gate.before, max_batch_size=1, max_waiting=4) as server:
        yield server
        gate.opened.set()


def speech(server: RunningServer, text: str, **more: object) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/audio/speech", json={**ORDER, "input": text, **more}, timeout=60)


def test_the_first_sentence_is_heard_before_the_second_is_spoken(gated: RunningServer, gate: Gate) -> None:
    order = {**ORDER, "input": f"{SHORT} {LONG}"}
    with httpx.stream("POST", f"{gated.url}/v1/audio/speech", json=order, timeout=60) as answer:
        pieces = answer.iter_raw()
        first = next(pieces)
        assert len(first) > 1000
        assert not gate.opened.is_set()
        gate.opened.set()
        rest = b"".join(pieces)
    assert first + rest == speech(gated, f"{SHORT} {LONG}").content


def test_a_client_that_leaves_takes_its_sentences_along(gated: RunningServer, gate: Gate) -> None:
    order = {**ORDER, "input": f"{SHORT} {LONG} {LONG} {LONG}"}
    with httpx.stream("POST", f"{gated.url}/v1/audio/speech", json=order, timeout=60) as answer:
        pieces = answer.iter_raw()  # held: an iterator that is let go closes the connection
        next(pieces)
        assert gate.entered.wait(20)
        assert gated.api.context.batcher.overview().depth == 2
    wait_until(lambda: gated.api.context.batcher.overview().depth == 0)
    gate.opened.set()
    assert speech(gated, SHORT).status_code == 200
    assert sum(tokens >= LONG_TOKENS for tokens in gate.planned) == 1
    assert _counted(gated, 'timbre_requests_total{outcome="broken_off",route="/v1/audio/speech"}') == 1


def test_a_client_that_leaves_before_any_sound_is_noticed_too(gated: RunningServer, gate: Gate) -> None:
    with httpx.Client(timeout=httpx.Timeout(20, read=0.5)) as client, pytest.raises(httpx.ReadTimeout):
        client.post(f"{gated.url}/v1/audio/speech", json={**ORDER, "input": f"{LONG} {LONG}"})
    wait_until(lambda: gated.api.context.batcher.overview().depth == 0)
    gate.opened.set()
    wait_until(lambda: _counted(gated, 'timbre_requests_total{outcome="cancelled",route="/v1/audio/speech"}') == 1)


def test_speech_that_breaks_off_does_not_look_whole(gated: RunningServer, gate: Gate) -> None:
    gate.broken = True
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        speech(gated, f"{SHORT} {LONG}")
    assert speech(gated, SHORT).status_code == 200


def test_a_stream_of_events_says_that_it_broke_off(gated: RunningServer, gate: Gate) -> None:
    gate.broken = True
    order = {**ORDER, "input": f"{SHORT} {LONG}", "stream_format": "sse"}
    received: list[bytes] = []
    with (
        httpx.stream("POST", f"{gated.url}/v1/audio/speech", json=order, timeout=60) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        received.extend(answer.iter_raw())
    *_, event = b"".join(received).decode().strip().split("\n\n")
    name, data = event.split("\n")
    assert name == "event: error"
    assert set(json.loads(data.removeprefix("data: "))["error"]) == {"message", "type", "param", "code"}
    assert b"speech.audio.done" not in b"".join(received)


def test_a_failure_before_any_sound_is_an_ordinary_error(gated: RunningServer, gate: Gate) -> None:
    gate.broken = True
    answer = speech(gated, LONG)
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("server_error", "internal_error")
    assert "cannot say this" not in answer.text
    assert "Traceback" not in answer.text


def test_a_full_queue_is_a_429_that_says_when_to_come_back(gated: RunningServer, gate: Gate) -> None:
    held = threading.Thread(target=speech, args=(gated, LONG))
    held.start()
    assert gate.entered.wait(20)
    waiting = threading.Thread(target=speech, args=(gated, f"{LONG} {LONG} {LONG} {LONG}"))
    waiting.start()
    wait_until(lambda: gated.api.context.batcher.overview().depth == 4)
    answer = speech(gated, SHORT)
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "overloaded"
    assert int(answer.headers["retry-after"]) >= 1
    with (
        openai.OpenAI(base_url=f"{gated.url}/v1", api_key="x", max_retries=0) as sdk,
        pytest.raises(openai.RateLimitError),
    ):
        sdk.audio.speech.create(**ORDER, input=SHORT)
    gate.opened.set()
    held.join()
    waiting.join()
    assert speech(gated, SHORT).status_code == 200


def test_a_request_that_takes_too_long_is_a_504(folder: Path, gate: Gate) -> None:
    with running_server(folder, gate.before, request_timeout=1.0) as server:
        answer = speech(server, LONG)
        gate.opened.set()
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "deadline_exceeded"


def test_a_server_that_drains_tells_clients_to_connect_anew(gated: RunningServer) -> None:
    gated.api.context.draining.set()
    assert httpx.get(f"{gated.url}/v1/models").headers["connection"] == "close"


def _counted(server: RunningServer, series: str) -> float:
    for line in server.api.context.metrics.exposition().decode().splitlines():
        if line.startswith(series):
            return float(line.rpartition(" ")[2])
    return 0.0
