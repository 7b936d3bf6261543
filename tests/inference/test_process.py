"""`timbre serve` as the kubelet sees it: probes, metrics, signals and exit codes of a real process."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import httpx
import pytest

from tests.support.bundles import write_tiny_bundle
from tests.support.servers import ServerProcess

SECRET_TEXT = "The quick brown fox tells nobody."
LONG_TEXT = "This sentence is one of very many that take a while to say. " * 60

NAMES_OF_THE_DESIGN = {
    "timbre_requests_total", "timbre_queue_depth", "timbre_oldest_request_age_seconds", "timbre_pending_audio_seconds",
    "timbre_inflight_requests", "timbre_queue_seconds", "timbre_stage_seconds", "timbre_time_to_first_audio_seconds",
    "timbre_audio_seconds_total", "timbre_device_busy_seconds_total", "timbre_batch_size", "timbre_batch_frames_total",
    "timbre_rejected_total", "timbre_cancelled_total", "timbre_stream_underruns_total", "timbre_oom_total",
    "timbre_voice_cache_hits_total", "timbre_voice_cache_misses_total", "timbre_voice_cache_entries",
    "timbre_model_info",
}  # fmt: skip


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


def settings(bundle: Path, folder: Path, **more: str) -> dict[str, str]:
    """Of a server that can run here."""
    (folder / "termination-log").touch()
    return {
        "MODEL_SOURCE": bundle.as_uri(),
        "DEVICE": "cpu",
        "VOICE_STORE_URL": (folder / "voices").as_uri(),
        "TERMINATION_LOG": str(folder / "termination-log"),
    } | more


@pytest.fixture(scope="module")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(settings(bundle, tmp_path_factory.mktemp("server"))) as process:
        yield process


def speak(client: httpx.Client, text: str = SECRET_TEXT) -> httpx.Response:
    return client.post(
        "/v1/audio/speech", json={"model": "timbre-en", "voice": "one", "input": text, "response_format": "wav"}
    )


def test_it_is_alive_at_once_and_ready_only_after_its_first_words(server: ServerProcess) -> None:
    server.wait_for("ops port open")
    assert server.probe("/livez")[0] == 200
    # It cannot have loaded within the few milliseconds since the port opened.
    assert server.probe("/readyz")[0] == 503
    assert server.probe("/startupz")[0] == 503
    first_words = server.wait_for("first words spoken")
    assert first_words["audio_seconds"] > 0.5
    server.wait_for("serving")
    assert [server.probe(path)[0] for path in ("/livez", "/readyz", "/startupz")] == [200, 200, 200]


def test_an_idle_server_exports_every_metric_and_zero_for_what_scaling_reads(server: ServerProcess) -> None:
    server.wait_for("serving")
    status, text = server.probe("/metrics")
    assert status == 200
    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert names >= NAMES_OF_THE_DESIGN
    assert all(name.startswith("timbre_") for name in names)
    for gauge in ("queue_depth", "oldest_request_age_seconds", "pending_audio_seconds", "inflight_requests"):
        assert f"\ntimbre_{gauge} 0.0\n" in text


def test_speech_is_counted_and_its_text_is_never_logged(server: ServerProcess) -> None:
    with httpx.Client(base_url=server.api, timeout=60) as client:
        answer = speak(client)
    assert answer.status_code == 200
    assert answer.content[:4] == b"RIFF"
    text = server.probe("/metrics")[1]
    assert re.search(r'timbre_requests_total{outcome="ok",route="/v1/audio/speech"} [1-9]', text)
    assert all(line.get("structured", True) for line in server.log)
    assert "quick brown fox" not in json.dumps(server.log)


def test_probes_answer_while_the_model_works(server: ServerProcess) -> None:
    with httpx.Client(base_url=server.api, timeout=60) as client, ThreadPoolExecutor() as pool:
        speaking = pool.submit(speak, client, LONG_TEXT[:1000])
        depths: list[str] = []
        while not speaking.done():
            wait([speaking], timeout=0.1)
            assert server.probe("/livez")[0] == 200
            assert server.probe("/readyz")[0] == 200
            depths += re.findall(r"^timbre_queue_depth (\S+)", server.probe("/metrics")[1], re.MULTILINE)
        assert speaking.result().status_code == 200
    assert max(map(float, depths)) > 0


def test_a_server_told_to_stop_under_load_finishes_what_it_accepted(bundle: Path, tmp_path: Path) -> None:
    with ServerProcess(settings(bundle, tmp_path)) as server:
        clients = 4
        busy = threading.Barrier(clients + 1)
        with ThreadPoolExecutor(clients) as pool:
            api = server.api
            spoken = [pool.submit(_speak_until_told_to_close, api, busy) for _ in range(clients)]
            busy.wait(60)
            server.terminate()
            answers = [count.result() for count in spoken]
        assert server.wait_for_exit() == 0
    assert all(count >= 2 for count in answers)
    assert (tmp_path / "termination-log").read_text() == ""


def _speak_once(api: str, text: str) -> httpx.Response:
    with httpx.Client(base_url=api, timeout=60) as client:
        return speak(client, text)


def _speak_until_told_to_close(api: str, busy: threading.Barrier) -> int:
    """Request after request on one connection; any error but a refused new connection fails the test."""
    with httpx.Client(base_url=api, timeout=60) as client:
        assert speak(client).status_code == 200
        busy.wait(60)
        count = 1
        while True:
            answer = speak(client)
            assert answer.status_code == 200
            assert answer.content[:4] == b"RIFF"
            count += 1
            if answer.headers.get("connection") == "close":
                return count


def test_a_draining_server_is_unready_but_alive_and_a_second_signal_ends_it(bundle: Path, tmp_path: Path) -> None:
    with ServerProcess(settings(bundle, tmp_path)) as server, ThreadPoolExecutor() as pool:
        speaking = pool.submit(_speak_once, server.api, LONG_TEXT)
        while "timbre_inflight_requests 1.0" not in server.probe("/metrics")[1]:
            wait([speaking], timeout=0.1)
        server.terminate()
        while server.probe("/readyz")[0] == 200:
            wait([speaking], timeout=0.1)
        assert server.probe("/livez")[0] == 200
        server.terminate()
        assert server.wait_for_exit() == 70
        # Cut off or told so, but never half a sound that looks whole.
        assert speaking.exception() is not None or speaking.result().status_code == 503
    assert termination_message(tmp_path)["reason"] == "NotDrained"


def test_a_signal_while_it_loads_ends_it_at_once(bundle: Path, tmp_path: Path) -> None:
    with ServerProcess(settings(bundle, tmp_path)) as server:
        server.wait_for("ops port open")
        server.terminate()
        assert server.wait_for_exit() == 0
    assert not any(line["message"] == "serving" for line in server.log)


def test_a_misspelt_setting_exits_64(bundle: Path, tmp_path: Path) -> None:
    with ServerProcess(settings(bundle, tmp_path, MAX_BATCHSIZE="4")) as server:
        assert server.wait_for_exit() == 64
    told = termination_message(tmp_path)
    assert told["reason"] == "BadSettings"
    assert "did you mean TIMBRE_MAX_BATCH_SIZE" in told["message"]


def test_a_port_that_is_taken_exits_64(bundle: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with ServerProcess(settings(bundle, tmp_path, OPS_PORT=port)) as server:
            assert server.wait_for_exit() == 64
    assert f"TIMBRE_OPS_PORT={port}" in termination_message(tmp_path)["message"]


def test_damaged_weights_exit_65_and_name_the_file(tmp_path: Path) -> None:
    damaged = write_tiny_bundle(tmp_path / "damaged")
    weights = damaged / "vits.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with ServerProcess(settings(damaged, tmp_path)) as server:
        assert server.wait_for_exit() == 65
    told = termination_message(tmp_path)
    assert told["reason"] == "BadWeights"
    assert "vits.safetensors" in told["message"]


def test_a_missing_gpu_exits_69(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with ServerProcess(settings(bundle, tmp_path, DEVICE="cuda")) as server:
        assert server.wait_for_exit() == 69
    assert termination_message(tmp_path)["reason"] == "NoDevice"


def termination_message(folder: Path) -> dict[str, str]:
    told: dict[str, str] = json.loads((folder / "termination-log").read_text())
    assert set(told) == {"reason", "message"}
    return told
