"""VoiceModels in a real cluster: apply, watch, scale, delete, and speak through their Services."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kubernetes import client

GROUP, VERSION, PLURAL = "timbre.dev", "v1alpha1", "voicemodels"
OPERATOR_NAMESPACE, OPERATOR = "timbre-system", "timbre-operator"
PULL_AND_LOAD = 600.0
"""Seconds: the first pod on a node pulls several gigabytes."""
Body = dict[str, Any]


def eventually(condition: Callable[[], Any], what: Callable[[], str], seconds: float = 60) -> Any:
    """Waits for a true value and returns it; `what` describes how things stand when none came."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"after {seconds:.0f} s: {what()}"
        time.sleep(0.25)
    return value


def cpu_spec(**changes: Any) -> Body:
    """A VoiceModel's spec for processors alone, small enough for several on one test machine."""
    spec: Body = {
        "model": {"source": "builtin://timbre-en"},
        "runtime": {"device": "cpu"},
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "3Gi"}},
        "batching": {"maxBatchSize": 4},
    }
    return {**spec, **changes}


@dataclass(frozen=True)
class VoiceModels:
    """The VoiceModels of one namespace."""

    api: client.ApiClient
    namespace: str

    @property
    def core(self) -> client.CoreV1Api:
        return client.CoreV1Api(self.api)

    @property
    def apps(self) -> client.AppsV1Api:
        return client.AppsV1Api(self.api)

    @property
    def _custom(self) -> client.CustomObjectsApi:
        return client.CustomObjectsApi(self.api)

    def create(self, name: str, spec: Body) -> None:
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "VoiceModel", "metadata": {"name": name}, "spec": spec}
        self._custom.create_namespaced_custom_object(
            GROUP, VERSION, self.namespace, PLURAL, body, field_validation="Strict"
        )

    def get(self, name: str) -> Body:
        found: Body = self._custom.get_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)
        return found

    def patch(self, name: str, spec: Body) -> None:
        self._custom.patch_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name, {"spec": spec})

    def scale(self, name: str, replicas: int) -> None:
        """As `kubectl scale` does."""
        body = {"spec": {"replicas": replicas}}
        self._custom.patch_namespaced_custom_object_scale(GROUP, VERSION, self.namespace, PLURAL, name, body)

    def delete(self, name: str) -> None:
        self._custom.delete_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)

    def status(self, name: str) -> Body:
        status: Body = self.get(name).get("status", {})
        return status

    def condition(self, name: str, kind: str) -> Body:
        """Empty when there is none, or when it speaks of an older spec."""
        found = self.get(name)
        generation = found["metadata"]["generation"]
        for condition in found.get("status", {}).get("conditions", []):
            if condition["type"] == kind and condition.get("observedGeneration", generation) == generation:
                return dict(condition)
        return {}

    def wait_until_ready(self, name: str, seconds: float = PULL_AND_LOAD) -> None:
        eventually(
            lambda: self.condition(name, "Ready").get("status") == "True",
            lambda: f"{name} is not Ready: {self.status(name)}",
            seconds,
        )

    def pods(self, name: str) -> list[client.V1Pod]:
        """Without those that are on their way out."""
        listed = self.core.list_namespaced_pod(self.namespace, label_selector=f"timbre.dev/voicemodel={name}")
        return [pod for pod in listed.items if pod.metadata.deletion_timestamp is None]

    def left_of(self, name: str) -> list[str]:
        """Everything that still belongs to a VoiceModel."""
        selector = f"timbre.dev/voicemodel={name}"
        listings = (
            self.core.list_namespaced_pod,
            self.core.list_namespaced_service,
            self.core.list_namespaced_service_account,
            self.apps.list_namespaced_deployment,
            self.apps.list_namespaced_replica_set,
            client.PolicyV1Api(self.api).list_namespaced_pod_disruption_budget,
            client.AutoscalingV2Api(self.api).list_namespaced_horizontal_pod_autoscaler,
        )
        return [
            f"{type(item).__name__} {item.metadata.name}"
            for listing in listings
            for item in listing(self.namespace, label_selector=selector).items
        ]


@contextmanager
def temporary_namespace(api: client.ApiClient) -> Iterator[VoiceModels]:
    """A namespace under Pod Security "restricted"; gone, with its pods, when the block ends."""
    core = client.CoreV1Api(api)
    name = f"timbre-test-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name, labels=labels)))
    try:
        yield VoiceModels(api, name)
    finally:
        core.delete_namespace(name)
        eventually(lambda: not core.list_namespaced_pod(name).items, lambda: f"pods are left in {name}", 180)
