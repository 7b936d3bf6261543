"""What the API server refuses, with the sentence that a user reads."""

import json
from typing import Any

import pytest

from tests.support.control_plane import ControlPlane

pytestmark = pytest.mark.control_plane

REFUSED: list[Any] = [
    pytest.param({"voices": []}, 'unknown field "spec.voices"', id="an unknown field"),
    pytest.param({"resources": {"gpus": 1}}, 'unknown field "spec.resources.gpus"', id="an unknown field, deeper"),
    pytest.param(
        {"autoscaling": {"minReplicas": 5, "maxReplicas": 2}},
        "autoscaling.minReplicas must not be above autoscaling.maxReplicas",
        id="min above max",
    ),
    pytest.param(
        {"resources": {"limits": {"memory": "lots"}}}, "not a quantity; write 500m, 2 or 4Gi", id="a quantity"
    ),
    pytest.param(
        {"resources": {"limits": {"memory": "-1Gi"}}}, "resources.limits.memory in body", id="less than nothing"
    ),
    pytest.param(
        {"resources": {"requests": {"cpu": 3}, "limits": {"cpu": "2500m"}}},
        "a pod cannot reserve more than it may use",
        id="requests above limits",
    ),
    pytest.param({"resources": {"gpu": {"count": -1}}}, "gpu.count must be between 0 and 16", id="a negative GPU"),
    pytest.param({"resources": {"gpu": {"count": 400}}}, "gpu.count must be between 0 and 16", id="400 GPUs in a pod"),
    pytest.param({"resources": {"gpu": {"count": 1.5}}}, "must be of type integer", id="half a GPU"),
    pytest.param(
        {"resources": {"gpu": {"count": 2, "sharing": "timeSlicing"}}}, "does not give more of it", id="slices"
    ),
    pytest.param({"resources": {"gpu": {"sharing": "mig"}}}, "such as nvidia.com/mig-1g.10gb", id="which MIG slice"),
    pytest.param(
        {"resources": {"gpu": {"resourceName": "gpu"}}}, "must look like nvidia.com/gpu", id="a resource's name"
    ),
    pytest.param(
        {"resources": {"gpu": {}, "limits": {"nvidia.com/gpu": 1}}}, "keep resources.gpu", id="the GPU said twice"
    ),
    pytest.param({"runtime": {"device": "cuda"}}, "no GPU is asked for", id="cuda without a GPU"),
    pytest.param({"runtime": {"device": "cpu"}, "resources": {"gpu": {}}}, "would stand idle", id="a GPU for nothing"),
    pytest.param({"runtime": {"precision": "float16"}}, "needs a GPU", id="half precision on a CPU"),
    pytest.param({"runtime": {"device": "tpu"}}, 'supported values: "cuda", "cpu"', id="a device we do not know"),
    pytest.param(
        {"replicas": 3, "autoscaling": {"maxReplicas": 9}}, "autoscaling owns the number of pods", id="two owners"
    ),
    pytest.param({"replicas": -1}, "greater than or equal to 0", id="fewer pods than none"),
    pytest.param(
        {"rollout": {"maxSurge": 1}}, "only with rollout.strategy RollingUpdate", id="surge without its strategy"
    ),
    pytest.param(
        {"rollout": {"strategy": "RollingUpdate", "maxSurge": 0, "maxUnavailable": "0%"}},
        "no pod could ever be replaced",
        id="a rollout that cannot move",
    ),
    pytest.param({"rollout": {"progressDeadline": "1s"}}, "between 30s and 24h", id="no time for a rollout"),
    pytest.param({"disruption": {"maxUnavailable": 0}}, "could ever be drained", id="a node that cannot be drained"),
    pytest.param({"batching": {"maxQueueDelay": "soon"}}, "a duration such as 20ms", id="a duration in words"),
    pytest.param({"batching": {"maxBatchSize": 8, "maxWaiting": 2}}, "could never gather", id="a queue below a batch"),
    pytest.param({"limits": {"requestTimeout": "0s"}}, "between 1s and 1h", id="no time for a request"),
    pytest.param({"model": {"source": "ftp://x"}}, "builtin://NAME, pvc://CLAIM/PATH or file:///PATH", id="a source"),
    pytest.param({"model": {"source": "pvc://a/../../b"}}, "must not climb", id="a path that climbs"),
    pytest.param({"model": {"digest": "md5:1"}}, "64 hexadecimal digits", id="a digest"),
    pytest.param(
        {"podTemplate": {"metadata": {"labels": {"timbre.dev/voicemodel": "b"}}}},
        "by which Timbre finds its pods",
        id="labels that are ours",
    ),
    pytest.param({"auth": {}}, "apiKeysSecretRef: Required value", id="keys from nowhere"),
]


def apply(plane: ControlPlane, spec: dict[str, Any], name: str = "a") -> str:
    metadata = {"name": name, "namespace": "default"}
    manifest = {"apiVersion": "timbre.dev/v1alpha1", "kind": "VoiceModel", "metadata": metadata, "spec": spec}
    return plane.kubectl("apply", "--dry-run=server", "-f", "-", text=json.dumps(manifest), check=False)


@pytest.mark.parametrize(("spec", "sentence"), REFUSED)
def test_the_api_server_refuses(plane: ControlPlane, spec: dict[str, Any], sentence: str) -> None:
    answer = apply(plane, spec)
    assert sentence in answer
    assert "created" not in answer


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("x" * 53, "at most 52 characters"), ("0abc", "must start with a letter"), ("a.b", "must start with a letter")],
)
def test_a_name_that_could_not_become_a_host_name_is_refused(plane: ControlPlane, name: str, sentence: str) -> None:
    assert sentence in apply(plane, {}, name)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="nothing at all"),
        pytest.param({"resources": {"gpu": {}}}, id="a GPU"),
        pytest.param(
            {"resources": {"gpu": {"sharing": "mig", "resourceName": "nvidia.com/mig-1g.10gb"}}}, id="a slice"
        ),
        pytest.param({"autoscaling": {"maxReplicas": 3}}, id="an autoscaler"),
        pytest.param({"autoscaling": {"maxReplicas": 3, "engine": "none"}, "replicas": 2}, id="one that is off"),
        pytest.param(
            {"resources": {"requests": {"cpu": 1}, "limits": {"cpu": "1.5", "memory": "2e9"}}}, id="quantities"
        ),
        pytest.param({"disruption": {"maxUnavailable": "50%"}}, id="half of the pods"),
        pytest.param({"model": {"source": "pvc://bundles/en/v2"}}, id="weights on a claim"),
        pytest.param({"drain": {"gracePeriod": "0s"}, "batching": {"maxQueueDelay": "1m0.5s"[2:]}}, id="durations"),
    ],
)
def test_the_api_server_accepts(plane: ControlPlane, spec: dict[str, Any]) -> None:
    assert "created (server dry run)" in apply(plane, spec)


def test_a_name_of_52_characters_is_accepted(plane: ControlPlane) -> None:
    assert "created (server dry run)" in apply(plane, {}, "x" * 52)


def test_a_user_can_read_what_the_fields_mean(plane: ControlPlane) -> None:
    explained = plane.kubectl("explain", "voicemodel.spec", "--recursive=false")
    for field in ("autoscaling", "batching", "drain", "rollout", "suspend"):
        assert field in explained
    assert "pods hold GPUs" in plane.kubectl("explain", "vm.spec.rollout.strategy")
