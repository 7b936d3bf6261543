"""One VoiceModel from apply to delete. The tests of this file build on one another, in this order."""

from collections.abc import Iterator

import httpx
import pytest
from kubernetes import client
from tools.cluster.config import REPOSITORY
from tools.cluster.kubernetes import Kubernetes

from tests.cluster.speech import SENTENCE, SteadyClient, loudness_of, seconds_of, service_address, speak
from tests.cluster.support import VoiceModels, cpu_spec, eventually

pytestmark = pytest.mark.cluster
NAME = "life"


@pytest.fixture(scope="module")
def address(kubernetes: Kubernetes, api: client.ApiClient, voicemodels: VoiceModels) -> Iterator[str]:
    voicemodels.create(NAME, cpu_spec())
    voicemodels.wait_until_ready(NAME)
    with service_address(kubernetes, api, voicemodels.namespace, NAME) as found:
        yield found


def test_an_applied_voicemodel_becomes_ready_under_pod_security_restricted(
    voicemodels: VoiceModels, address: str
) -> None:
    status = voicemodels.status(NAME)
    assert status["readyReplicas"] == 1
    assert voicemodels.condition(NAME, "ModelAvailable")["status"] == "True"
    (pod,) = voicemodels.pods(NAME)
    assert pod.spec.containers[0].security_context.read_only_root_filesystem
    assert pod.status.container_statuses[0].restart_count == 0


def test_its_service_speaks(address: str) -> None:
    pcm = speak(address)
    assert 1 < seconds_of(pcm) < 10
    assert loudness_of(pcm) > 0.005


@pytest.mark.parametrize(("audio_format", "start"), [("wav", b"RIFF"), ("flac", b"fLaC"), ("opus", b"OggS")])
def test_its_service_speaks_in_other_formats(address: str, audio_format: str, start: bytes) -> None:
    assert speak(address, audio_format=audio_format).startswith(start)


def test_it_speaks_in_the_voice_of_a_recording(address: str) -> None:
    recordings = sorted((REPOSITORY / "examples").glob("reference-*"))
    assert recordings, "examples/ holds no reference recording"
    with recordings[0].open("rb") as recording:
        answer = httpx.post(
            f"{address}/v1/audio/clone",
            data={"input": SENTENCE, "response_format": "pcm"},
            files={"audio_sample": recording},
            timeout=120,
        )
    assert answer.status_code == 200, answer.text
    assert 1 < seconds_of(answer.content) < 10


def test_the_studio_page_comes_from_the_same_service(address: str) -> None:
    answer = httpx.get(address)
    assert answer.status_code == 200
    assert "<html" in answer.text.lower()


def test_it_is_scaled_by_its_scale_subresource(voicemodels: VoiceModels, address: str) -> None:
    for replicas in (2, 1):
        voicemodels.scale(NAME, replicas)
        eventually(
            lambda replicas=replicas: (
                voicemodels.status(NAME).get("readyReplicas") == replicas == len(voicemodels.pods(NAME))
                and voicemodels.condition(NAME, "Ready").get("status") == "True"
            ),
            lambda: f"{voicemodels.status(NAME)}",
            180,
        )


def test_an_update_rolls_out_and_no_client_sees_an_error(voicemodels: VoiceModels, address: str) -> None:
    (before,) = voicemodels.pods(NAME)
    with SteadyClient(address).at_work() as steady:
        voicemodels.patch(NAME, {"batching": {"maxBatchSize": 2}})
        eventually(
            lambda: (
                before.metadata.name not in {pod.metadata.name for pod in voicemodels.pods(NAME)}
                and voicemodels.condition(NAME, "Progressing").get("status") == "False"
                and voicemodels.condition(NAME, "Ready").get("status") == "True"
            ),
            lambda: f"{voicemodels.status(NAME)}",
            240,
        )
    assert steady.errors == []
    assert steady.spoken > 0


def test_deleting_it_removes_all_of_it(voicemodels: VoiceModels, address: str) -> None:
    voicemodels.delete(NAME)
    eventually(lambda: not voicemodels.left_of(NAME), lambda: f"still there: {voicemodels.left_of(NAME)}", 120)
