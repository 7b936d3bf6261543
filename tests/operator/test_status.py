"""Status tells the truth: what was observed, and what each condition says about it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operator.voicemodels import body, voicemodel
from timbre_operator.events import transition_event
from timbre_operator.observed import Pod, Termination, observe_pod
from timbre_operator.status import AutoscalerState, DeploymentState, Observation, Problem, build_status, invalid_status
from timbre_operator.status.failures import failure_of, last_failure

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"
REVISION = "0123456789"
ROLLED_OUT = {"Progressing": {"status": "True", "reason": "NewReplicaSetAvailable"}}
DEADLINE = {"Progressing": {"status": "False", "reason": "ProgressDeadlineExceeded"}}
FORBIDDEN = {"ReplicaFailure": {"status": "True", "reason": "FailedCreate", "message": "exceeded quota: gpus"}}
NO_GPU = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: 0/1 nodes are available."
NO_ZONE = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
SAID = '{"reason": "BadWeights", "message": "decoder.safetensors: sha256 differs"}'

RUNNING = Pod(name="p", revision=REVISION, phase="Running")
READY = replace(RUNNING, ready=True)
WAITING_FOR_GPU = Pod(name="p", revision=REVISION, unschedulable=NO_GPU)


def ended(code: int, reason: str = "Error", message: str = "", waiting: str = "CrashLoopBackOff") -> Pod:
    return replace(RUNNING, waiting=waiting, termination=Termination(code, reason, message, NOW))


def state(desired: int = 1, available: int = 0, **changes: Any) -> DeploymentState:
    numbers = {"replicas": desired, "updated": desired, "ready": available, "available": available}
    known = {"generation": 1, "observed_generation": 1, "desired": desired, "conditions": {}, **numbers}
    return DeploymentState(**(known | changes))


def seen(
    deployment: DeploymentState | None, *pods: Pod, problems: tuple[Problem, ...] = (), **spec: Any
) -> Observation:
    return Observation(voicemodel(**spec), REVISION, deployment, None, pods, problems)


def conditions(observation: Observation) -> dict[str, dict[str, Any]]:
    status = build_status(observation, {}, NOW)
    return {condition["type"]: condition for condition in status["conditions"]}


@pytest.mark.parametrize(
    ("pod", "reason", "words"),
    [
        pytest.param(WAITING_FOR_GPU, "InsufficientGPU", ["nvidia.com/gpu", NO_GPU], id="no GPU is free"),
        pytest.param(Pod("p", unschedulable=NO_ZONE), "Unschedulable", [NO_ZONE], id="no node fits"),
        pytest.param(
            replace(RUNNING, waiting="ErrImagePull", waiting_message="not found", image="x:1"),
            "ImagePullFailed",
            ["x:1", "not found"],
            id="no such image",
        ),
        pytest.param(
            replace(RUNNING, waiting="CreateContainerConfigError", waiting_message='secret "keys" not found'),
            "ContainerNotCreated",
            ['secret "keys" not found'],
            id="no such secret",
        ),
        pytest.param(ended(137, "OOMKilled"), "OutOfMemory", ["137", "memory"], id="memory ran out"),
        pytest.param(
            ended(65, message=SAID), "BundleInvalid", ["65", "decoder.safetensors: sha256 differs"], id="weights"
        ),
        pytest.param(
            ended(64, message='{"message": "MAX_WAITING"}'), "BadSettings", ["64", "MAX_WAITING"], id="settings"
        ),
        pytest.param(ended(69), "NoDevice", ["69"], id="no device"),
        pytest.param(ended(70, message="boom"), "InternalError", ["70", "boom"], id="a fault of the server"),
        pytest.param(
            ended(1, message="trace\nlast line"), "CrashLooping", ["code 1", "last line"], id="any other crash"
        ),
        pytest.param(ended(139), "CrashLooping", ["139"], id="a segmentation fault"),
        pytest.param(ended(137), "CrashLooping", ["liveness"], id="killed from outside"),
        pytest.param(ended(0), "CrashLooping", ["code 0"], id="ends by itself again and again"),
        pytest.param(ended(65, message=SAID, waiting=""), "BundleInvalid", ["sha256"], id="restarted, not ready yet"),
    ],
)
def test_each_failure_has_a_reason_of_its_own_and_says_what_is_known(pod: Pod, reason: str, words: list[str]) -> None:
    failure = failure_of(pod)
    assert failure
    assert failure.reason == reason
    assert [word for word in words if word not in failure.message] == []
    told = conditions(seen(state(), pod))
    assert (told["Ready"]["status"], told["Ready"]["reason"]) == ("False", reason)
    assert (told["Degraded"]["status"], told["Degraded"]["reason"]) == ("True", reason)


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(RUNNING, id="it is starting"),
        pytest.param(replace(ended(65), ready=True, waiting=""), id="it has recovered"),
        pytest.param(replace(ended(65), ending=True), id="it is on its way out"),
        pytest.param(replace(ended(1), phase="Failed"), id="it was evicted, and another takes its place"),
        pytest.param(replace(ended(0), waiting=""), id="it was restarted once without an error"),
    ],
)
def test_a_pod_does_not_fail_when(pod: Pod) -> None:
    assert failure_of(pod) is None


def test_the_two_wordings_of_a_failed_pull_are_one() -> None:
    """The kubelet alternates between them, and status would be written each time."""
    first = replace(RUNNING, image="x:1", waiting="ErrImagePull", waiting_message="not found")
    second = replace(
        first,
        waiting="ImagePullBackOff",
        waiting_message='Back-off pulling image "x:1": ErrImagePull: not found',
    )
    assert failure_of(first) == failure_of(second)


READY_TABLE = [
    pytest.param(seen(None), "False", "Creating", id="nothing is there yet"),
    pytest.param(seen(state(), RUNNING), "False", "PodsStarting", id="the pod is starting"),
    pytest.param(seen(state(available=1), READY), "True", "PodsReady", id="the pod answers"),
    pytest.param(seen(state(available=1), RUNNING), "False", "PodsStarting", id="the Deployment is behind its pod"),
    pytest.param(seen(state(), READY), "False", "PodsStarting", id="the pod is ahead of its Deployment"),
    pytest.param(
        seen(state(available=1, observed_generation=0), READY), "False", "Updating", id="numbers of the previous spec"
    ),
    pytest.param(seen(state(desired=2, available=1), READY, replicas=2), "False", "PodsStarting", id="one of two"),
    pytest.param(seen(state(desired=0), replicas=0), "False", "ScaledToZero", id="no pods wanted"),
    pytest.param(seen(state(available=1), READY, suspend=True), "False", "Suspended", id="suspended"),
    pytest.param(seen(state(conditions=FORBIDDEN)), "False", "PodsForbidden", id="a quota is in the way"),
    pytest.param(seen(state(conditions=DEADLINE), RUNNING), "False", "ProgressDeadlineExceeded", id="it stands still"),
    pytest.param(
        seen(state(conditions=DEADLINE), WAITING_FOR_GPU), "False", "InsufficientGPU", id="the cause, not the delay"
    ),
    pytest.param(
        seen(None, problems=(Problem("Deployment", "NameTaken", "Deployment a was not made by Timbre"),)),
        "False",
        "NameTaken",
        id="somebody else's Deployment",
    ),
    pytest.param(
        seen(
            state(desired=3, available=2),
            READY,
            replace(READY, name="q"),
            replace(WAITING_FOR_GPU, name="r"),
            autoscaling={"minReplicas": 2, "maxReplicas": 5},
        ),
        "True",
        "PodsReady",
        id="what was promised answers, though the autoscaler wants more",
    ),
]


@pytest.mark.parametrize(("observation", "status", "reason"), READY_TABLE)
def test_ready(observation: Observation, status: str, reason: str) -> None:
    ready = conditions(observation)["Ready"]
    assert (ready["status"], ready["reason"]) == (status, reason)


def test_a_ready_model_is_degraded_while_a_wanted_pod_finds_no_gpu() -> None:
    second = replace(WAITING_FOR_GPU, name="q")
    told = conditions(seen(state(desired=2, available=1), READY, second, autoscaling={"maxReplicas": 2}))
    assert (told["Ready"]["status"], told["Degraded"]["status"]) == ("True", "True")
    assert told["Degraded"]["reason"] == "InsufficientGPU"


def test_a_new_revision_without_a_gpu_blocks_the_rollout() -> None:
    old = replace(READY, name="old", revision="before")
    told = conditions(seen(state(available=1), old, WAITING_FOR_GPU))
    assert (told["RolloutBlocked"]["status"], told["RolloutBlocked"]["reason"]) == ("True", "InsufficientGPU")
    assert told["Ready"]["status"] == "True"


def test_more_pods_of_a_finished_rollout_block_nothing() -> None:
    told = conditions(seen(state(desired=2, available=1, conditions=ROLLED_OUT), READY, WAITING_FOR_GPU, replicas=2))
    assert told["RolloutBlocked"]["status"] == "False"


@pytest.mark.parametrize(
    ("observation", "status", "reason"),
    [
        pytest.param(seen(state(available=1), READY), "False", "Complete", id="all is done"),
        pytest.param(
            seen(state(desired=3, available=3, updated=1), READY, replicas=3), "True", "RollingOut", id="one of 3"
        ),
        pytest.param(seen(state(conditions=DEADLINE)), "False", "ProgressDeadlineExceeded", id="it stands still"),
        pytest.param(seen(None), "True", "Creating", id="nothing is there yet"),
        pytest.param(seen(state(desired=0), suspend=True), "False", "Suspended", id="suspended"),
    ],
)
def test_progressing(observation: Observation, status: str, reason: str) -> None:
    told = conditions(observation)["Progressing"]
    assert (told["status"], told["reason"]) == (status, reason)


@pytest.mark.parametrize(
    ("pod", "status"),
    [
        pytest.param(READY, "True", id="a pod has spoken"),
        pytest.param(RUNNING, "Unknown", id="nobody knows yet"),
        pytest.param(ended(65, message=SAID), "False", id="the weights are refused"),
        pytest.param(replace(READY, revision="before"), "Unknown", id="only the previous revision has spoken"),
    ],
)
def test_model_available(pod: Pod, status: str) -> None:
    assert conditions(seen(state(), pod))["ModelAvailable"]["status"] == status


NO_METRIC = {"ScalingActive": {"status": "False", "reason": "FailedGetPodsMetric", "message": "no such metric"}}


@pytest.mark.parametrize(
    ("autoscaler", "status", "reason"),
    [
        pytest.param(None, "Unknown", "Waiting", id="it has not looked yet"),
        pytest.param(AutoscalerState(NO_METRIC), "False", "FailedGetPodsMetric", id="the metric is not there"),
        pytest.param(AutoscalerState({"ScalingActive": {"status": "True"}}), "True", "MetricsRead", id="it works"),
    ],
)
def test_autoscaling_active(autoscaler: AutoscalerState | None, status: str, reason: str) -> None:
    observation = replace(seen(state(), autoscaling={"maxReplicas": 2}), autoscaler=autoscaler)
    told = conditions(observation)["AutoscalingActive"]
    assert (told["status"], told["reason"]) == (status, reason)


def test_suspended_only_once_the_pods_are_gone() -> None:
    assert conditions(seen(state(desired=0, replicas=1), suspend=True))["Suspended"]["reason"] == "Suspending"
    assert conditions(seen(state(desired=0), suspend=True))["Suspended"]["status"] == "True"


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    first = build_status(seen(state(), RUNNING), {}, NOW)
    second = build_status(seen(state(), WAITING_FOR_GPU), first, LATER)
    third = build_status(seen(state(available=1), READY), second, LATER)
    times = [status["conditions"][0]["lastTransitionTime"] for status in (first, second, third)]
    assert times == [NOW, NOW, LATER]


def test_the_last_failure_outlives_its_cause() -> None:
    failing = build_status(seen(state(), ended(65, message=SAID)), {}, NOW)
    assert failing["lastFailure"]["exitCode"] == 65
    recovered = build_status(seen(state(available=1), READY), failing, LATER)
    assert recovered["lastFailure"] == failing["lastFailure"]


def test_the_newest_failure_is_the_last() -> None:
    older, newer = ended(65), replace(ended(1), name="q", termination=Termination(1, "Error", "", LATER))
    failure = last_failure([newer, older])
    assert failure
    assert failure.pod == "q"


def test_numbers_and_address_are_there() -> None:
    status = build_status(seen(state(desired=2, available=1), READY, replicas=2), {}, NOW)
    assert (status["replicas"], status["readyReplicas"], status["desiredReplicas"]) == (2, 1, 2)
    assert status["url"] == "http://timbre-en.speech.svc"
    assert status["selector"] == "app.kubernetes.io/name=timbre-inference,timbre.dev/voicemodel=timbre-en"


def test_a_spec_that_cannot_be_read_says_so_and_keeps_the_numbers() -> None:
    known = {**body(), "status": {"replicas": 2, "conditions": []}}
    status = invalid_status("spec.voices: unknown", known, NOW)
    assert status["replicas"] == 2
    assert {(told["type"], told["status"], told["reason"]) for told in status["conditions"]} == {
        ("Ready", "False", "InvalidSpec"),
        ("Degraded", "True", "InvalidSpec"),
    }


pods = st.lists(
    st.sampled_from(
        [READY, RUNNING, WAITING_FOR_GPU, ended(65, message=SAID), ended(137, "OOMKilled"), replace(READY, ending=True)]
    ),
    max_size=4,
)
numbers = st.integers(0, 4)
states = st.none() | st.builds(
    lambda desired, available, generation, told: state(
        desired, available, observed_generation=generation, conditions=told
    ),
    numbers,
    numbers,
    st.integers(0, 1),
    st.sampled_from([{}, ROLLED_OUT, DEADLINE, FORBIDDEN]),
)
observations = st.builds(
    lambda deployment, found, replicas, asleep: seen(deployment, *found, replicas=replicas, suspend=asleep),
    states,
    pods,
    numbers,
    st.booleans(),
)


@given(observations)
def test_ready_never_says_true_while_too_few_pods_say_so_themselves(observation: Observation) -> None:
    if conditions(observation)["Ready"]["status"] == "True":
        answering = sum(pod.ready and not pod.ending for pod in observation.pods)
        assert answering >= observation.voicemodel.spec.promised_replicas > 0
        assert observation.deployment
        assert observation.deployment.current


@given(observations)
def test_an_unchanged_world_gives_an_unchanged_status(observation: Observation) -> None:
    first = build_status(observation, {}, NOW)
    assert build_status(observation, first, LATER) == first


@given(observations)
def test_every_condition_always_has_a_reason_and_a_sentence(observation: Observation) -> None:
    for condition in build_status(observation, {}, NOW)["conditions"]:
        assert condition["reason"].isalnum()
        assert condition["message"]


def event(before: Observation, after: Observation) -> dict[str, Any] | None:
    status = build_status(before, {}, NOW)
    return transition_event({**body(), "status": status}, build_status(after, status, LATER), LATER)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        pytest.param(seen(state(), RUNNING), seen(state(available=1), READY), "Normal", id="it speaks"),
        pytest.param(seen(state(available=1), READY), seen(state(), RUNNING), "Normal", id="it no longer does"),
        pytest.param(seen(state(), RUNNING), seen(state(), WAITING_FOR_GPU), "Warning", id="it cannot start"),
        pytest.param(seen(state(), RUNNING), seen(state(), RUNNING), None, id="nothing changed"),
        pytest.param(seen(None), seen(state(), RUNNING), None, id="it is merely on its way"),
    ],
)
def test_events_are_posted_on_transitions_alone(before: Observation, after: Observation, kind: str | None) -> None:
    posted = event(before, after)
    assert (posted["type"] if posted else None) == kind


def test_a_pod_is_read_from_what_the_api_server_says() -> None:
    terminated = {"exitCode": 65, "reason": "Error", "message": SAID + "\n", "finishedAt": NOW}
    container = {
        "name": "inference",
        "image": "x:1",
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {"terminated": terminated},
    }
    metadata = {"name": "p", "resourceVersion": "7", "labels": {"timbre.dev/revision": REVISION}}
    status = {"phase": "Running", "containerStatuses": [{"name": "sidecar"}, container], "conditions": []}
    assert observe_pod({"metadata": metadata, "status": status}) == Pod(
        name="p",
        version=7,
        revision=REVISION,
        phase="Running",
        waiting="CrashLoopBackOff",
        waiting_message="back-off 10s",
        image="x:1",
        termination=Termination(65, "Error", SAID, NOW),
    )
