"""The operator's half of the pod contract; the server tests its own half against the same file."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.operator.voicemodels import DEFAULTS, voicemodel
from timbre_operator import names
from timbre_operator.manifests import build
from timbre_operator.manifests.environment import CACHE_FOLDER, as_text
from timbre_operator.manifests.pod import AFTER_DRAIN_SECONDS, USER
from timbre_operator.status.failures import CODE_REASONS

CONTRACT: dict[str, Any] = json.loads((Path(__file__).parents[1] / "support" / "pod_contract.json").read_text())
EVERYTHING: dict[str, Any] = {
    "model": {"digest": "sha256:0"},
    "batching": {"maxBatchFrames": 4000, "maxQueueDelay": "20ms", "maxWaiting": 256},
    "limits": {"maxTextLength": 4096, "maxReferenceSeconds": 30, "maxUploadBytes": 26214400, "requestTimeout": "120s"},
    "auth": {"apiKeysSecretRef": {"name": "keys"}},
}


def container(**spec: Any) -> dict[str, Any]:
    deployment = next(child for child in build(voicemodel(**spec), DEFAULTS) if child["kind"] == "Deployment")
    (made,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(made)


def environment(**spec: Any) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container(**spec)["env"]}


def test_every_variable_is_one_that_the_server_reads() -> None:
    known = {CONTRACT["prefix"] + name for name in CONTRACT["settings"]}
    assert environment(**EVERYTHING).keys() <= known


@pytest.mark.parametrize("name", ["PRECISION", "COMPILE", "MAX_BATCH_SIZE", "DRAIN_GRACE_PERIOD", "CACHE_DIR"])
def test_what_is_always_written_is_the_servers_own_default(name: str) -> None:
    default = CONTRACT["settings"][name]
    assert environment()[f"TIMBRE_{name}"] == as_text(default)


@pytest.mark.parametrize("name", ["MAX_QUEUE_DELAY", "MAX_WAITING", "MAX_TEXT_LENGTH", "REQUEST_TIMEOUT"])
def test_units_are_those_of_the_server(name: str) -> None:
    """Durations as seconds in decimals: the defaults, spelled as a user would, come out as the contract has them."""
    written = environment(**EVERYTHING)[f"TIMBRE_{name}"]
    assert math.isclose(float(written), CONTRACT["settings"][name])
    assert f"TIMBRE_{name}" not in environment()


def test_ports_probes_and_names_are_those_of_the_server() -> None:
    made = container()
    assert made["name"] == CONTRACT["container"] == names.CONTAINER
    assert {port["name"]: port["containerPort"] for port in made["ports"]} == CONTRACT["ports"]
    for kind, path in CONTRACT["probes"].items():
        assert made[f"{kind}Probe"]["httpGet"] == {"path": path, "port": "ops", "scheme": "HTTP"}
    assert CONTRACT["user"] == USER
    assert CONTRACT["autoscaling_metric"] == names.QUEUE_METRIC


def test_the_pod_outlives_its_drain() -> None:
    (drain,) = (value for name, value in environment().items() if name == "TIMBRE_DRAIN_GRACE_PERIOD")
    deployment = next(child for child in build(voicemodel(), DEFAULTS) if child["kind"] == "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == int(drain) + AFTER_DRAIN_SECONDS
    assert container()["lifecycle"]["preStop"]["sleep"]["seconds"] < AFTER_DRAIN_SECONDS


def test_every_exit_code_that_is_an_error_has_a_reason() -> None:
    assert set(CODE_REASONS) == {code for code in CONTRACT["exit_codes"].values() if code}


def test_the_cache_is_a_volume_that_can_be_written() -> None:
    assert {mount["mountPath"] for mount in container()["volumeMounts"]} >= {CACHE_FOLDER, "/tmp"}
