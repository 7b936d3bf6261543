"""Why a pod does not run: a chain of small checks, the first that applies names the reason."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from timbre_operator.observed import Pod, Termination

LONGEST_MESSAGE = 1024
INSUFFICIENT = re.compile(r"Insufficient ([a-z0-9.-]+/[A-Za-z0-9._-]+)")
IMAGE_PULL = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
CONFIG = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
KILLED_BY_KERNEL = 137
CODE_REASONS = {64: "BadSettings", 65: "BundleInvalid", 69: "NoDevice", 70: "InternalError"}
"""Exit codes of the pod contract."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one pod does not answer."""

    reason: str
    message: str
    pod: str
    exit_code: int | None = None
    time: str = ""


Check = Callable[[Pod], Failure | None]


def gpu_is_missing(pod: Pod) -> Failure | None:
    """No node has a free device of the wanted kind; what else the scheduler says stays in the message."""
    missing = INSUFFICIENT.search(pod.unschedulable)
    return (
        Failure("InsufficientGPU", f"pod {pod.name} waits for {missing[1]}: {pod.unschedulable}", pod.name)
        if missing
        else None
    )


def no_node_fits(pod: Pod) -> Failure | None:
    if not pod.unschedulable:
        return None
    return Failure("Unschedulable", f"pod {pod.name} finds no node: {pod.unschedulable}", pod.name)


def image_cannot_be_pulled(pod: Pod) -> Failure | None:
    if pod.waiting not in IMAGE_PULL:
        return None
    # The kubelet alternates between ErrImagePull and ImagePullBackOff; one wording for both keeps status still.
    detail = re.sub(r'^Back-off pulling image "[^"]*"(: ErrImage\w+)?(: )?', "", pod.waiting_message)
    return Failure("ImagePullFailed", _join(f"image {pod.image} cannot be pulled", detail), pod.name)


def container_cannot_be_created(pod: Pod) -> Failure | None:
    if pod.waiting not in CONFIG:
        return None
    return Failure(
        "ContainerNotCreated",
        _join(f"the container of pod {pod.name} cannot be created", pod.waiting_message),
        pod.name,
    )


def memory_ran_out(pod: Pod) -> Failure | None:
    if not (pod.termination and pod.termination.reason == "OOMKilled"):
        return None
    return _ended(
        pod,
        pod.termination,
        "OutOfMemory",
        "ran out of memory: raise resources.limits.memory or lower batching.maxBatchFrames",
    )


def server_said_why(pod: Pod) -> Failure | None:
    """An exit code of the pod contract, with the server's own last words."""
    if not (pod.termination and pod.termination.exit_code in CODE_REASONS):
        return None
    return _ended(pod, pod.termination, CODE_REASONS[pod.termination.exit_code], _last_words(pod.termination))


def keeps_ending(pod: Pod) -> Failure | None:
    if pod.termination is None or (pod.termination.exit_code == 0 and pod.waiting != "CrashLoopBackOff"):
        return None
    return _ended(pod, pod.termination, "CrashLooping", _last_words(pod.termination))


CHECKS: tuple[Check, ...] = (
    gpu_is_missing,
    no_node_fits,
    image_cannot_be_pulled,
    container_cannot_be_created,
    memory_ran_out,
    server_said_why,
    keeps_ending,
)
SEVERITY = (
    "BadSettings", "BundleInvalid", "NoDevice", "OutOfMemory", "InternalError", "CrashLooping", "ContainerNotCreated",
    "ImagePullFailed", "InsufficientGPU", "Unschedulable",
)  # fmt: skip
"""Which failure speaks for the VoiceModel when pods fail in different ways: what the user must change comes first."""


def failure_of(pod: Pod) -> Failure | None:
    """Why this pod does not answer now; None when it does, or is merely starting or on its way out."""
    if pod.ready or not pod.active:
        return None
    return next((failure for check in CHECKS if (failure := check(pod))), None)


def worst(failures: Iterable[Failure]) -> Failure | None:
    return min(failures, key=lambda failure: (SEVERITY.index(failure.reason), failure.pod), default=None)


def last_failure(pods: Iterable[Pod]) -> Failure | None:
    """The newest end of any pod, also of those that have recovered or were evicted since."""
    ended = [failure for pod in pods if (failure := _how_it_ended(pod)) and failure.time]
    return max(ended, key=lambda failure: (failure.time, failure.pod), default=None)


def _how_it_ended(pod: Pod) -> Failure | None:
    if pod.termination is None or pod.termination.exit_code == 0:
        return None
    if pod.phase == "Failed" and pod.reason:
        return Failure(pod.reason, pod.message, pod.name, pod.termination.exit_code, pod.termination.finished_at)
    return memory_ran_out(pod) or server_said_why(pod) or keeps_ending(pod)


def _ended(pod: Pod, termination: Termination, reason: str, detail: str) -> Failure:
    message = _join(f"pod {pod.name} ended with exit code {termination.exit_code}", detail)
    return Failure(reason, message, pod.name, termination.exit_code, termination.finished_at)


def _last_words(termination: Termination) -> str:
    """The server's message: its one JSON line where it wrote one, else the end of its log."""
    last_line = termination.message.splitlines()[-1] if termination.message else ""
    try:
        words = json.loads(last_line)
    except ValueError:
        words = None
    if isinstance(words, dict) and isinstance(words.get("message"), str):
        return str(words["message"])[:LONGEST_MESSAGE]
    if not termination.message and termination.exit_code == KILLED_BY_KERNEL:
        return "killed from outside: it did not answer its liveness probe, or did not end in time"
    return termination.message[-LONGEST_MESSAGE:]


def _join(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what
