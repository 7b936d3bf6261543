"""The pod's environment: what is canonical, what is refused, what Kubernetes adds by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from timbre_inference import exits
from timbre_inference.settings import FRAMES_BY_DEVICE, PREFIX, Settings, SettingsError, is_service_link, load_settings

CONTRACT: dict[str, Any] = json.loads((Path(__file__).parents[1] / "support/pod_contract.json").read_text())


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [PREFIX + field.upper() for field in Settings.model_fields]:
        monkeypatch.delenv(name, raising=False)


def test_names_and_defaults_are_those_of_the_pod_contract() -> None:
    defaults = {name.upper(): value for name, value in load_settings().model_dump().items()}
    assert defaults == CONTRACT["settings"]
    assert CONTRACT["prefix"] == PREFIX
    assert CONTRACT["max_batch_frames_by_device"] == FRAMES_BY_DEVICE


def test_exit_codes_and_reasons_are_those_of_the_pod_contract() -> None:
    codes = CONTRACT["exit_codes"]
    assert codes["drained"] == exits.DRAINED
    assert exits.BadSettingsError.exit_code == codes["bad_settings"]
    assert exits.BadWeightsError.exit_code == codes["bad_weights"]
    assert exits.NoDeviceError.exit_code == exits.LostDeviceError.exit_code == codes["no_device"]
    assert exits.UnexpectedError.exit_code == exits.NotDrainedError.exit_code == codes["internal"]
    assert {kind.reason for kind in exits.FatalError.__subclasses__()} == set(CONTRACT["termination_reasons"])


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        pytest.param("TIMBRE_MAX_BATCHSIZE", "4", "did you mean TIMBRE_MAX_BATCH_SIZE?", id="misspelt"),
        pytest.param("TIMBRE_MAX_BATCH_SIZE", "many", "TIMBRE_MAX_BATCH_SIZE='many'", id="not a number"),
        pytest.param("TIMBRE_MAX_BATCH_SIZE", "0", "greater than or equal to 1", id="too small"),
        pytest.param("TIMBRE_PRECISION", "int8", "'float32', 'bfloat16' or 'float16'", id="no such precision"),
        pytest.param("TIMBRE_MODEL_DIGEST", "md5:12", "TIMBRE_MODEL_DIGEST", id="not a digest"),
        pytest.param("TIMBRE_OPS_PORT", "8000", "must differ", id="one port for both"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refusal:
        load_settings()
    assert sentence in str(refusal.value)
    assert name in str(refusal.value) or name == "TIMBRE_OPS_PORT"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIMBRE_SERVICE_HOST", "10.0.0.1"),
        ("TIMBRE_SERVICE_PORT_HTTP", "8000"),
        ("TIMBRE_OPERATOR_PORT_9090_TCP_ADDR", "10.0.0.1"),
        ("TIMBRE_PORT", "tcp://10.0.0.1:8000"),
        ("TIMBRE_HTTP_PORT", "tcp://10.0.0.1:80"),
        ("TIMBRE_DEMO_VOICE_PORT_80_TCP_PROTO", "tcp"),
    ],
)
def test_what_kubernetes_adds_for_services_is_no_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert is_service_link(name, value)
    monkeypatch.setenv(name, value)
    assert load_settings().http_port == 8000


def test_an_empty_variable_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMBRE_MAX_BATCH_FRAMES", "")
    assert load_settings().frame_budget("cuda") == 16000


def test_credentials_in_urls_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMBRE_VOICE_STORE_URL", "s3://key:secret@bucket/voices")
    assert load_settings().masked()["voice_store_url"] == "s3://***@bucket/voices"
