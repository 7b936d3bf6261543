"""The ops port and what the probes are told."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from timbre_inference.exits import BadWeightsError, report
from timbre_inference.health import Health, Phase
from timbre_inference.metrics import Metrics
from timbre_inference.ops import OpsServer, pages


def health_in(phase: Phase, silent: float = 0.0, busy: float = 0.0) -> Health:
    return Health(
        stuck_after=10, device_busy_for=lambda: busy, phase=phase, doing="x", last_beat=time.monotonic() - silent
    )


@pytest.mark.parametrize(
    ("phase", "silent", "busy", "alive", "ready", "started"),
    [
        pytest.param(Phase.STARTING, 0, 0, True, False, False, id="starting"),
        pytest.param(Phase.STARTING, 99, 99, True, False, False, id="a slow start"),
        pytest.param(Phase.READY, 0, 0, True, True, True, id="ready"),
        pytest.param(Phase.READY, 0, 9, True, True, True, id="a long batch"),
        pytest.param(Phase.READY, 0, 11, False, False, True, id="a device that is stuck"),
        pytest.param(Phase.READY, 11, 0, False, False, True, id="an event loop that is stuck"),
        pytest.param(Phase.DRAINING, 0, 0, True, False, True, id="draining"),
        pytest.param(Phase.FAILED, 0, 0, False, False, True, id="failed"),
    ],
)
def test_probes_tell_the_truth(
    phase: Phase, silent: float, busy: float, *, alive: bool, ready: bool, started: bool
) -> None:
    health = health_in(phase, silent, busy)
    assert (health.alive().ok, health.ready().ok, health.started().ok) == (alive, ready, started)


@pytest.fixture
def ops() -> Iterator[tuple[OpsServer, Health]]:
    health = health_in(Phase.STARTING)
    server = OpsServer(pages(health, Metrics()), "127.0.0.1", 0)
    server.start()
    yield server, health
    server.stop()


def get(server: OpsServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_ops_port_answers_probes_metrics_and_nothing_else(ops: tuple[OpsServer, Health]) -> None:
    server, health = ops
    assert get(server, "/livez") == (200, "x\n")
    assert get(server, "/readyz") == (503, "starting: x\n")
    health.phase = Phase.READY
    assert get(server, "/readyz?verbose") == (200, "ok\n")
    assert get(server, "/metrics")[1].startswith("# HELP timbre_requests_total")
    assert get(server, "/v1/models")[0] == 404


def test_a_taken_port_is_an_error(ops: tuple[OpsServer, Health]) -> None:
    with pytest.raises(OSError, match="in use"):
        OpsServer({}, "127.0.0.1", ops[0].port).start()


def test_a_fatal_error_is_one_line_for_the_kubelet(tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    assert report(BadWeightsError("vits.safetensors is damaged"), str(log)) == 65
    assert json.loads(log.read_text()) == {"reason": "BadWeights", "message": "vits.safetensors is damaged"}


def test_outside_a_pod_nothing_is_written(tmp_path: Path) -> None:
    assert report(BadWeightsError("x"), str(tmp_path / "missing")) == 65
    assert not (tmp_path / "missing").exists()
