"""The test stands in for the kubelet and the scheduler: what pods report must reach the VoiceModel's status."""

import json
from typing import Any

import pytest

from tests.operator.conftest import Namespace

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("operator")]

SAID = '{"reason": "BadWeights", "message": "decoder.safetensors: sha256 differs from the manifest"}'
NO_GPU = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
TIME = "2026-01-01T00:00:00Z"


def pod_of(namespace: Namespace) -> str:
    namespace.until("a pod", lambda: namespace.items("pods"))
    return str(namespace.items("pods")[0]["metadata"]["name"])


def container(**states: Any) -> dict[str, Any]:
    about = {"name": "inference", "image": "x", "imageID": "", "ready": False, "restartCount": 1}
    return {"phase": "Running", "containerStatuses": [{**about, **states}]}


def ready(status: str) -> dict[str, Any]:
    return {"phase": "Running", "conditions": [{"type": "Ready", "status": status, "lastTransitionTime": TIME}]}


def test_ready_only_while_the_pod_says_so(namespace: Namespace) -> None:
    namespace.apply()
    pod = pod_of(namespace)
    namespace.wait_for("Ready", "False", "PodsStarting")
    namespace.pod_says(pod, ready("True"))
    namespace.wait_for("Ready", "True", "PodsReady")
    namespace.wait_for("ModelAvailable", "True")
    namespace.wait_for("Progressing", "False", "Complete")
    shown = namespace.kubectl("get", "voicemodels").splitlines()[1].split()
    assert shown[:2] == ["a", "True"]
    namespace.pod_says(pod, ready("False"))
    namespace.wait_for("Ready", "False")


def test_kubectl_wait_sees_readiness(namespace: Namespace) -> None:
    namespace.apply()
    namespace.pod_says(pod_of(namespace), ready("True"))
    assert "condition met" in namespace.kubectl("wait", "--for=condition=Ready", "vm/a", "--timeout=30s")


def test_a_pod_without_a_gpu_says_which_is_missing(namespace: Namespace) -> None:
    namespace.apply(resources={"gpu": {}})
    refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_GPU}
    namespace.pod_says(pod_of(namespace), {"conditions": [{**refused, "lastTransitionTime": TIME}]})
    told = namespace.wait_for("Ready", "False", "InsufficientGPU")
    assert NO_GPU in told["message"]
    namespace.wait_for("RolloutBlocked", "True", "InsufficientGPU")
    namespace.until("an Event", lambda: "InsufficientGPU" in namespace.kubectl("get", "events"))


def test_bad_weights_are_reported_with_the_file(namespace: Namespace) -> None:
    namespace.apply()
    ended = {"exitCode": 65, "reason": "Error", "message": SAID, "finishedAt": TIME, "startedAt": TIME}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    pod = pod_of(namespace)
    namespace.pod_says(pod, container(state=waiting, lastState={"terminated": ended}))
    told = namespace.wait_for("Ready", "False", "BundleInvalid")
    assert "decoder.safetensors: sha256 differs" in told["message"]
    namespace.wait_for("ModelAvailable", "False", "BundleInvalid")
    failure = namespace.there("voicemodel")["status"]["lastFailure"]
    assert (failure["exitCode"], failure["pod"], failure["reason"]) == (65, pod, "BundleInvalid")


@pytest.mark.parametrize(
    ("states", "reason"),
    [
        ({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}, "ImagePullFailed"),
        ({"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}, "OutOfMemory"),
        ({"state": {"terminated": {"exitCode": 1, "reason": "Error", "message": "boom"}}}, "CrashLooping"),
    ],
)
def test_other_failures_have_reasons_of_their_own(namespace: Namespace, states: dict[str, Any], reason: str) -> None:
    namespace.apply()
    namespace.pod_says(pod_of(namespace), container(**states))
    namespace.wait_for("Ready", "False", reason)


def test_a_quota_that_keeps_pods_away_is_reported(namespace: Namespace) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    namespace.create({**quota, "status": {"hard": {"pods": "0"}}})
    used = {"hard": {"pods": "0"}, "used": {"pods": "0"}}
    patch = json.dumps({"status": used})
    namespace.kubectl("patch", "resourcequota", "none", "--subresource=status", "--type=merge", "-p", patch)
    namespace.apply()
    told = namespace.wait_for("Ready", "False", "PodsForbidden")
    assert "exceeded quota" in told["message"]
