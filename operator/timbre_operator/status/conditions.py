"""One function a condition: Observation -> verdict. Read them as sentences about when each is True."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from timbre_operator.observed import Child, Pod
from timbre_operator.status.failures import Failure, failure_of, worst
from timbre_operator.voicemodel import VoiceModel

ROLLED_OUT = "NewReplicaSetAvailable"
DEADLINE = "ProgressDeadlineExceeded"
WAITING_FOR_A_NODE = {"InsufficientGPU", "Unschedulable"}


class Verdict(NamedTuple):
    """What a condition says, before it has a time."""

    status: str
    reason: str
    message: str


class Problem(NamedTuple):
    """A child that could not be brought to what is desired."""

    kind: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """The Deployment's own numbers and conditions."""

    generation: int
    observed_generation: int
    desired: int
    replicas: int
    updated: int
    ready: int
    available: int
    conditions: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, child: Child) -> "DeploymentState":
        status = child.status
        return cls(
            generation=child.metadata.get("generation", 0),
            observed_generation=status.get("observedGeneration", 0),
            desired=child.spec.get("replicas", 1),
            replicas=status.get("replicas", 0),
            updated=status.get("updatedReplicas", 0),
            ready=status.get("readyReplicas", 0),
            available=status.get("availableReplicas", 0),
            conditions=_by_type(status),
        )

    @property
    def current(self) -> bool:
        return self.observed_generation >= self.generation

    @property
    def rolled_out(self) -> bool:
        return self.current and self.conditions.get("Progressing", {}).get("reason") == ROLLED_OUT


@dataclass(frozen=True, slots=True)
class AutoscalerState:
    """What the HorizontalPodAutoscaler says about itself."""

    conditions: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, child: Child) -> "AutoscalerState":
        return cls(_by_type(child.status))


@dataclass(frozen=True, slots=True)
class Observation:
    """All that status is made of."""

    voicemodel: VoiceModel
    revision: str
    deployment: DeploymentState | None = None
    autoscaler: AutoscalerState | None = None
    pods: Sequence[Pod] = ()
    problems: Sequence[Problem] = ()

    @property
    def failures(self) -> list[Failure]:
        return [failure for pod in self.pods if (failure := failure_of(pod))]

    @property
    def trouble(self) -> Verdict | None:
        """What is wrong, if anything: the most concrete thing known, as the reason of a condition that is False."""
        return next((verdict for check in TROUBLES if (verdict := check(self))), None)


def _by_type(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {condition["type"]: condition for condition in status.get("conditions") or []}


# What can be wrong, most telling first.


def a_child_is_refused(seen: Observation) -> Verdict | None:
    problem = next(iter(seen.problems), None)
    return Verdict("False", problem.reason, problem.message) if problem else None


def a_pod_fails(seen: Observation) -> Verdict | None:
    failure = worst(seen.failures)
    return Verdict("False", failure.reason, failure.message) if failure else None


def pods_are_forbidden(seen: Observation) -> Verdict | None:
    """A quota, or an admission rule such as Pod Security, keeps the pods from being made at all."""
    condition = seen.deployment.conditions.get("ReplicaFailure", {}) if seen.deployment else {}
    if condition.get("status") != "True":
        return None
    return Verdict("False", "PodsForbidden", condition.get("message", "pods cannot be created"))


def rollout_stands_still(seen: Observation) -> Verdict | None:
    condition = seen.deployment.conditions.get("Progressing", {}) if seen.deployment else {}
    if condition.get("reason") != DEADLINE:
        return None
    limit = seen.voicemodel.spec.rollout.progress_deadline
    return Verdict("False", DEADLINE, f"the rollout made no progress for {limit:g} seconds")


TROUBLES: tuple[Callable[[Observation], Verdict | None], ...] = (
    a_child_is_refused,
    a_pod_fails,
    pods_are_forbidden,
    rollout_stands_still,
)


# Ready: the first check with an opinion decides.


def is_suspended(seen: Observation) -> Verdict | None:
    if not seen.voicemodel.spec.suspend:
        return None
    return Verdict("False", "Suspended", "spec.suspend is true: there are no pods")


def has_no_deployment(seen: Observation) -> Verdict | None:
    if seen.deployment:
        return None
    return seen.trouble or Verdict("False", "Creating", "the Deployment is not there yet")


def is_scaled_to_zero(seen: Observation) -> Verdict | None:
    if seen.voicemodel.spec.promised_replicas > 0:
        return None
    return Verdict("False", "ScaledToZero", "spec.replicas is 0: there are no pods")


def is_not_observed_yet(seen: Observation) -> Verdict | None:
    if seen.deployment is None or seen.deployment.current:
        return None
    return Verdict("False", "Updating", "the last change has not reached the Deployment yet")


def promised_pods_answer(seen: Observation) -> Verdict | None:
    promised = seen.voicemodel.spec.promised_replicas
    if seen.deployment is None or min(seen.deployment.available, _answering(seen)) < promised:
        return None
    return Verdict("True", "PodsReady", f"{seen.deployment.available} of {seen.deployment.desired} pods answer")


def something_is_wrong(seen: Observation) -> Verdict | None:
    return seen.trouble


def pods_are_starting(seen: Observation) -> Verdict | None:
    promised = seen.voicemodel.spec.promised_replicas
    return Verdict("False", "PodsStarting", f"{_answering(seen)} of {promised} pods answer, the others are starting")


READY: tuple[Callable[[Observation], Verdict | None], ...] = (
    is_suspended,
    has_no_deployment,
    is_scaled_to_zero,
    is_not_observed_yet,
    promised_pods_answer,
    something_is_wrong,
    pods_are_starting,
)


def ready(seen: Observation) -> Verdict:
    return next(verdict for check in READY if (verdict := check(seen)))


def _answering(seen: Observation) -> int:
    """Pods that say themselves that they are ready: the Deployment's count may lag behind them."""
    return sum(pod.ready and pod.active for pod in seen.pods)


# The other conditions.


def progressing(seen: Observation) -> Verdict:
    state = seen.deployment
    if seen.voicemodel.spec.suspend and (state is None or state.replicas == 0):
        return Verdict("False", "Suspended", "spec.suspend is true")
    if state is None:
        return Verdict("True", "Creating", "the Deployment is not there yet")
    if rollout_stands_still(seen):
        return Verdict("False", *rollout_stands_still(seen)[1:])  # type: ignore[index]  # just seen to be there
    if state.current and state.updated == state.replicas == state.desired == state.available:
        return Verdict("False", "Complete", f"all {state.desired} pods are of revision {seen.revision} and answer")
    return Verdict(
        "True",
        "RollingOut",
        f"{state.updated} of {state.desired} pods are of revision {seen.revision}, {state.available} answer",
    )


def degraded(seen: Observation) -> Verdict:
    if seen.trouble:
        return Verdict("True", seen.trouble.reason, seen.trouble.message)
    return Verdict("False", "AsExpected", "nothing is known to be wrong")


def model_available(seen: Observation) -> Verdict:
    source = seen.voicemodel.spec.model.source
    if any(pod.ready and pod.revision == seen.revision for pod in seen.pods):
        return Verdict("True", "Loaded", f"{source} was verified, loaded, and has spoken")
    broken = next((failure for failure in seen.failures if failure.reason == "BundleInvalid"), None)
    if broken:
        return Verdict("False", broken.reason, broken.message)
    return Verdict("Unknown", "NotLoaded", f"no pod of revision {seen.revision} has loaded {source} yet")


def autoscaling_active(seen: Observation) -> Verdict:
    if seen.voicemodel.spec.autoscaler is None:
        return Verdict("False", "AutoscalingOff", "the number of pods is fixed")
    conditions = seen.autoscaler.conditions if seen.autoscaler else {}
    for kind in ("AbleToScale", "ScalingActive"):
        condition = conditions.get(kind, {})
        if condition.get("status") == "False":
            return Verdict("False", condition.get("reason", kind), condition.get("message", ""))
    if conditions.get("ScalingActive", {}).get("status") == "True":
        return Verdict("True", "MetricsRead", "the autoscaler reads the pods' queue depth")
    return Verdict("Unknown", "Waiting", "the autoscaler has not looked yet")


def rollout_blocked(seen: Observation) -> Verdict:
    """True while pods of the wanted revision find no node, so that the old ones cannot be replaced."""
    if seen.deployment is None or seen.deployment.rolled_out:
        return Verdict("False", "NotBlocked", "no rollout waits for a node")
    waiting = {pod.name for pod in seen.pods if pod.revision == seen.revision}
    stuck = [failure for failure in seen.failures if failure.reason in WAITING_FOR_A_NODE and failure.pod in waiting]
    if failure := worst(stuck):
        return Verdict("True", failure.reason, failure.message)
    return Verdict("False", "NotBlocked", "no rollout waits for a node")


def suspended(seen: Observation) -> Verdict:
    if not seen.voicemodel.spec.suspend:
        return Verdict("False", "NotSuspended", "spec.suspend is false")
    left = seen.deployment.replicas if seen.deployment else 0
    if left:
        return Verdict("False", "Suspending", f"{left} pods have not ended yet")
    return Verdict("True", "Suspended", "spec.suspend is true: there are no pods")


CONDITIONS: Mapping[str, Callable[[Observation], Verdict]] = {
    "Ready": ready,
    "Progressing": progressing,
    "Degraded": degraded,
    "ModelAvailable": model_available,
    "AutoscalingActive": autoscaling_active,
    "RolloutBlocked": rollout_blocked,
    "Suspended": suspended,
}
