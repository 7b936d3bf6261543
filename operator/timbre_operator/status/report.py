"""The status object: numbers, address, last failure, and conditions with their times."""

from collections.abc import Iterable, Mapping
from typing import Any

from timbre_operator.names import Manifest, selector_string, service_url
from timbre_operator.observed import Pod
from timbre_operator.status.conditions import CONDITIONS, Observation, Verdict
from timbre_operator.status.failures import last_failure

LONGEST_MESSAGE = 4096


def build_status(seen: Observation, previous: Mapping[str, Any], now: str) -> Manifest:
    """The whole status as it should be; equal to `previous` when nothing changed, whatever `now` is."""
    model, state = seen.voicemodel, seen.deployment
    generation = model.metadata.generation
    described: Manifest = {
        "observedGeneration": generation,
        "revision": seen.revision,
        "replicas": state.replicas if state else 0,
        "readyReplicas": sum(pod.ready and pod.active for pod in seen.pods),
        "updatedReplicas": state.updated if state else 0,
        "desiredReplicas": state.desired if state else model.spec.promised_replicas,
        "selector": selector_string(model.name),
        "url": service_url(model.key, model.spec.networking.service.port),
        "conditions": conditions(seen, previous, generation, now),
    }
    failure = described_failure(seen.pods) or previous.get("lastFailure")
    return described | ({"lastFailure": failure} if failure else {})


def invalid_status(message: str, body: Mapping[str, Any], now: str) -> Manifest:
    """The status of a spec that cannot be understood (an object older than a rule): what runs is left alone."""
    previous, generation = body.get("status") or {}, body["metadata"].get("generation", 0)
    verdicts = {"Ready": Verdict("False", "InvalidSpec", message), "Degraded": Verdict("True", "InvalidSpec", message)}
    kept = {name: value for name, value in previous.items() if name != "conditions"}
    described = [_timed(kind, verdict, previous, generation, now) for kind, verdict in verdicts.items()]
    return {**kept, "observedGeneration": generation, "conditions": described}


def conditions(seen: Observation, previous: Mapping[str, Any], generation: int, now: str) -> list[Manifest]:
    return [_timed(kind, judge(seen), previous, generation, now) for kind, judge in CONDITIONS.items()]


def condition_of(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((condition for condition in status.get("conditions") or [] if condition.get("type") == kind), {})


def described_failure(pods: Iterable[Pod]) -> Manifest | None:
    failure = last_failure(pods)
    if failure is None:
        return None
    return {
        "reason": failure.reason,
        "message": failure.message[:LONGEST_MESSAGE],
        "exitCode": failure.exit_code,
        "pod": failure.pod,
        "time": failure.time,
    }


def _timed(kind: str, verdict: Verdict, previous: Mapping[str, Any], generation: int, now: str) -> Manifest:
    before = condition_of(previous, kind)
    same = before.get("status") == verdict.status
    return {
        "type": kind,
        "status": verdict.status,
        "reason": verdict.reason,
        "message": verdict.message[:LONGEST_MESSAGE],
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if same else now,
    }
