"""How pods and VoiceModels end: nobody's sentence is cut, and nothing needs the operator to be alive."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from kubernetes import client
from tools.cluster.kubernetes import Kubernetes

from tests.cluster.speech import seconds_of, service_address, speak, speech_request
from tests.cluster.support import (
    OPERATOR,
    OPERATOR_NAMESPACE,
    VoiceModels,
    cpu_spec,
    eventually,
)

pytestmark = pytest.mark.cluster
NAME = "endings"
LONG_TEXT = " ".join(f"This is sentence number {number}, and it is spoken to its very end." for number in range(1, 16))


@pytest.fixture(scope="module")
def ready(voicemodels: VoiceModels) -> VoiceModels:
    voicemodels.create(NAME, cpu_spec())
    voicemodels.wait_until_ready(NAME)
    return voicemodels


def test_a_pod_that_is_deleted_while_it_speaks_finishes_its_sentence(
    kubernetes: Kubernetes, api: client.ApiClient, ready: VoiceModels
) -> None:
    with service_address(kubernetes, api, ready.namespace, NAME) as address:
        whole = speak(address, LONG_TEXT)
        (pod,) = ready.pods(NAME)
        heard = bytearray()
        with httpx.stream("POST", f"{address}/v1/audio/speech", json=speech_request(LONG_TEXT), timeout=120) as answer:
            assert answer.status_code == 200
            pieces = answer.iter_bytes()
            heard += next(pieces)
            ready.core.delete_namespaced_pod(pod.metadata.name, ready.namespace)
            assert len(heard) < len(whole), "it was over before the pod was deleted; make the text longer"
            for piece in pieces:
                heard += piece
    assert seconds_of(bytes(heard)) == pytest.approx(seconds_of(whole), abs=0.01)
    ready.wait_until_ready(NAME)


def test_a_drained_pod_ends_with_exit_code_0(ready: VoiceModels) -> None:
    ready.wait_until_ready(NAME)
    (pod,) = ready.pods(NAME)
    ready.core.delete_namespaced_pod(pod.metadata.name, ready.namespace)
    seen: set[int] = set()

    def gone() -> bool:
        selector = f"metadata.name={pod.metadata.name}"
        found = ready.core.list_namespaced_pod(ready.namespace, field_selector=selector).items
        statuses = [status for item in found for status in item.status.container_statuses or []]
        seen.update(status.state.terminated.exit_code for status in statuses if status.state.terminated)
        return not found

    eventually(gone, lambda: "the pod is still there", 90)
    assert seen <= {0}


def test_deleting_a_voicemodel_needs_no_operator(api: client.ApiClient, ready: VoiceModels) -> None:
    with _operator_stopped(api):
        ready.delete(NAME)
        eventually(lambda: not ready.left_of(NAME), lambda: f"still there: {ready.left_of(NAME)}", 180)


@contextmanager
def _operator_stopped(api: client.ApiClient) -> Iterator[None]:
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)

    def scale(replicas: int) -> None:
        apps.patch_namespaced_deployment_scale(OPERATOR, OPERATOR_NAMESPACE, {"spec": {"replicas": replicas}})

    def available() -> bool:
        return bool(apps.read_namespaced_deployment(OPERATOR, OPERATOR_NAMESPACE).status.available_replicas)

    wanted = apps.read_namespaced_deployment(OPERATOR, OPERATOR_NAMESPACE).spec
    selector = ",".join(f"{key}={value}" for key, value in wanted.selector.match_labels.items())
    scale(0)
    try:
        eventually(
            lambda: not core.list_namespaced_pod(OPERATOR_NAMESPACE, label_selector=selector).items,
            lambda: "the operator still runs",
            90,
        )
        yield
    finally:
        scale(wanted.replicas)
        eventually(available, lambda: "the operator does not come back", 120)
