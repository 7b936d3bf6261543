"""One pass over one VoiceModel: from what is desired and observed to what has to be written, most often nothing."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from timbre_operator.cluster import Cluster
from timbre_operator.drift import digest_of, needs_apply
from timbre_operator.errors import RefusedError, RetryLaterError
from timbre_operator.events import transition_event
from timbre_operator.manifests import Defaults, build, revision_of
from timbre_operator.names import API_VERSION, AUTOSCALING_MANAGER, KIND, REPAIR_MANAGER, Key, Manifest
from timbre_operator.observed import Child, is_adoptable, observe_child, voicemodel_of
from timbre_operator.status import AutoscalerState, DeploymentState, Observation, Problem, build_status, invalid_status
from timbre_operator.voicemodel import InvalidVoiceModelError, VoiceModel, parse_voicemodel
from timbre_operator.world import ChildKey, World, child_key

REPLACED_LISTS = {"Service": "ports"}
"""Lists that an apply cannot always put right: it knows ports by their number, so a port whose number somebody changed
stays beside the one that is put back, and two ports of one name are refused."""

FIRST_CHILDREN = 2
"""ServiceAccount and Deployment: what pods need."""
PRUNED_KINDS = ("HorizontalPodAutoscaler",)
"""Children that an edited spec can make superfluous."""


class Progress(Enum):
    """How far a pass came."""

    STARTED = "started"
    """The pods are on their way; another pass has to do the rest."""
    DONE = "done"


@dataclass(slots=True)
class Plan:
    """What one generation of a VoiceModel asks for, worked out once."""

    voicemodel: VoiceModel
    desired: tuple[Manifest, ...]
    started: bool = False
    """True once a pass has put the pods on their way."""

    def is_about(self, body: Mapping[str, Any]) -> bool:
        known, metadata = self.voicemodel.metadata, body["metadata"]
        return (known.uid, known.generation) == (metadata["uid"], metadata.get("generation", 0))


class Reconciler:
    """Brings VoiceModels to what they ask for; all that it keeps could be worked out anew."""

    def __init__(self, world: World, cluster: Cluster, defaults: Defaults, now: Callable[[], str]) -> None:
        self._world = world
        self._cluster = cluster
        self._defaults = defaults
        self._now = now
        self._plans: dict[Key, Plan] = {}

    def is_new(self, key: Key) -> bool:
        """True for a VoiceModel that nothing has been done about yet."""
        body = self._world.voicemodel(key)
        return body is not None and not _was_settled(body) and key not in self._plans

    async def reconcile(self, key: Key) -> Progress:
        """Raises RetryLaterError when the rest has to wait, RefusedError when only a change from outside helps."""
        body = self._world.voicemodel(key)
        if body is None or "deletionTimestamp" in body["metadata"]:
            self._plans.pop(key, None)
            return Progress.DONE
        try:
            plan = self._plan(key, body)
        except InvalidVoiceModelError as error:
            await self._write_status(body, invalid_status(str(error), body, self._now()))
            return Progress.DONE
        if not plan.started and not _was_settled(body):
            await self._start(plan, body)
            return Progress.STARTED
        await self._converge(plan.voicemodel, body, plan.desired)
        return Progress.DONE

    def _plan(self, key: Key, body: Manifest) -> Plan:
        plan = self._plans.get(key)
        if plan is None or not plan.is_about(body):
            voicemodel = parse_voicemodel(body)
            plan = self._plans[key] = Plan(voicemodel, build(voicemodel, self._defaults))
        return plan

    async def _start(self, plan: Plan, body: Manifest) -> None:
        """Nothing but what pods need: of many new VoiceModels each gets its pods before any gets the rest.

        What goes wrong here goes wrong again in the pass that follows, which reports it.
        """
        plan.started = True
        first = (self._apply_child(plan.voicemodel, body, manifest) for manifest in plan.desired[:FIRST_CHILDREN])
        await asyncio.gather(*first, return_exceptions=True)

    async def _converge(self, voicemodel: VoiceModel, body: Manifest, desired: tuple[Manifest, ...]) -> None:
        outcomes = await self._apply_children(voicemodel, body, desired)
        refusals = [refusal for outcome in outcomes if (refusal := _refusal(outcome))]
        delays = [outcome for outcome in outcomes if isinstance(outcome, RetryLaterError)]
        problems = [problem for outcome in outcomes if (problem := _problem(outcome))]
        if not delays:
            await self._prune(voicemodel, desired)
        seen = self._observe(voicemodel, desired, problems)
        await self._write_status(body, build_status(seen, body.get("status") or {}, self._now()))
        for error in (*delays, *refusals):
            raise error

    async def _apply_children(
        self, voicemodel: VoiceModel, body: Manifest, desired: tuple[Manifest, ...]
    ) -> list[BaseException | Problem | None]:
        """What came of each child; one that fails does not keep the others from being applied."""
        account, *others = desired
        # Pods are refused without their ServiceAccount, and the Deployment would then wait before it tries again.
        first = await asyncio.gather(self._apply_child(voicemodel, body, account), return_exceptions=True)
        rest = await asyncio.gather(
            *(self._apply_child(voicemodel, body, one) for one in others), return_exceptions=True
        )
        outcomes = [*first, *rest]
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, (RefusedError, RetryLaterError)):
                raise outcome
        return outcomes

    async def _apply_child(self, voicemodel: VoiceModel, body: Manifest, desired: Manifest) -> Problem | None:
        place = child_key(desired)
        child = self._world.child(place) or await self._look(place)
        if child is None:
            if _was_settled(body):
                await self._make_sure_it_is_still_wanted(voicemodel)
        elif conflict := _conflict(voicemodel, child, desired):
            return conflict
        elif not needs_apply(desired, child, self._world.settled(place)):
            return None
        await self._apply(voicemodel, place, child, desired)
        return None

    async def _look(self, place: ChildKey) -> Child | None:
        """Asks for a child that no watch has shown: it may be somebody else's, whom the watches leave out."""
        body = await self._cluster.get(*place)
        if body is None:
            return None
        if voicemodel_of(body):
            self._world.see(place.kind, body)
        # A stranger is not remembered: no watch would tell when it goes.
        return observe_child(body)

    async def _make_sure_it_is_still_wanted(self, voicemodel: VoiceModel) -> None:
        """A missing child may mean that its VoiceModel is gone and this news is still on its way."""
        body = await self._cluster.get(KIND, *voicemodel.key)
        if (
            body is None
            or body["metadata"]["uid"] != voicemodel.metadata.uid
            or "deletionTimestamp" in body["metadata"]
        ):
            raise RetryLaterError(f"VoiceModel {voicemodel.key} is being deleted")

    async def _apply(self, voicemodel: VoiceModel, place: ChildKey, child: Child | None, desired: Manifest) -> None:
        if child and child.owns_replicas and "replicas" not in desired["spec"]:
            await self._cluster.apply(_handover(voicemodel, child), AUTOSCALING_MANAGER)
        # The uid makes sure that it is this object: one that replaced it meanwhile is looked at first.
        metadata = {**desired["metadata"], **({"uid": child.uid} if child else {})}
        manifest = {**desired, "metadata": metadata}
        try:
            answer = await self._cluster.apply(manifest)
        except RefusedError:
            if child is None or place.kind not in REPLACED_LISTS:
                raise
            await self._cluster.merge(*place, _replacement(desired, child), REPAIR_MANAGER)
            answer = await self._cluster.apply(manifest)
        self._world.see(place.kind, answer)
        self._world.settle(place, digest_of(desired, observe_child(answer)))

    async def _prune(self, voicemodel: VoiceModel, desired: tuple[Manifest, ...]) -> None:
        wanted = {child_key(manifest) for manifest in desired}
        for kind in PRUNED_KINDS:
            place = ChildKey(kind, *voicemodel.key)
            child = self._world.child(place)
            if place not in wanted and child and not child.being_deleted and _is_controlled(voicemodel, child):
                await self._cluster.delete(*place, child.uid)
                self._world.forget_child(place)

    def _observe(self, voicemodel: VoiceModel, desired: tuple[Manifest, ...], problems: list[Problem]) -> Observation:
        deployment = self._ours(voicemodel, "Deployment")
        autoscaler = self._ours(voicemodel, "HorizontalPodAutoscaler")
        return Observation(
            voicemodel=voicemodel,
            revision=revision_of(next(manifest for manifest in desired if manifest["kind"] == "Deployment")),
            deployment=DeploymentState.of(deployment) if deployment else None,
            autoscaler=AutoscalerState.of(autoscaler) if autoscaler else None,
            pods=self._world.pods_of(voicemodel.key),
            problems=problems,
        )

    def _ours(self, voicemodel: VoiceModel, kind: str) -> Child | None:
        child = self._world.child(ChildKey(kind, *voicemodel.key))
        return child if child and _is_controlled(voicemodel, child) else None

    async def _write_status(self, body: Manifest, status: Manifest) -> None:
        if status == (body.get("status") or {}):
            return
        metadata = body["metadata"]
        identity = {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}
        answer = await self._cluster.apply_status(
            {"apiVersion": API_VERSION, "kind": KIND, "metadata": identity, "status": status}
        )
        self._world.see(KIND, answer)
        if event := transition_event(body, status, self._now()):
            await self._cluster.create_event(event)


def _is_controlled(voicemodel: VoiceModel, child: Child) -> bool:
    return (child.controller or {}).get("uid") == voicemodel.metadata.uid


def _conflict(voicemodel: VoiceModel, child: Child, desired: Manifest) -> Problem | None:
    """Why this child must not be touched; None when it is ours, or an orphan of ours."""
    if child.being_deleted:
        raise RetryLaterError(f"{desired['kind']} {child.name} is being deleted")
    if _is_controlled(voicemodel, child) or is_adoptable(child, voicemodel.name):
        return None
    owner = child.controller or {}
    if owner.get("kind") == KIND and owner.get("name") == voicemodel.name:
        raise RetryLaterError(
            f"{desired['kind']} {child.name} still belongs to a VoiceModel of this name that was deleted"
        )
    whose = f"belongs to {owner['kind']} {owner['name']}" if owner else "was not made by Timbre"
    message = f"{desired['kind']} {child.name} {whose}: it is left alone; delete it or give the VoiceModel another name"
    return Problem(desired["kind"], "NameTaken", message)


def _problem(outcome: object) -> Problem | None:
    if isinstance(outcome, RefusedError):
        return Problem("", "Refused", str(outcome))
    return outcome if isinstance(outcome, Problem) else None


def _refusal(outcome: object) -> RefusedError | None:
    """What is worth another try later although the VoiceModel stays as it is."""
    if isinstance(outcome, Problem):
        return RefusedError(outcome.message, may_pass=True)
    return outcome if isinstance(outcome, RefusedError) and outcome.may_pass else None


def _replacement(desired: Manifest, child: Child) -> Manifest:
    name = REPLACED_LISTS[desired["kind"]]
    version = {"resourceVersion": child.metadata["resourceVersion"]}
    return {"metadata": version, "spec": {name: desired["spec"][name]}}


def _was_settled(body: Mapping[str, Any]) -> bool:
    return bool((body.get("status") or {}).get("observedGeneration"))


def _handover(voicemodel: VoiceModel, child: Child) -> Manifest:
    """Gives spec.replicas to another field manager as it is, so that leaving it out does not reset it to 1.

    Kept within the autoscaler's bounds: an autoscaler never acts on a Deployment of 0 replicas.
    """
    autoscaler = voicemodel.spec.autoscaler
    replicas = child.spec.get("replicas", 1)
    if autoscaler:
        replicas = min(max(replicas, autoscaler.min_replicas), autoscaler.max_replicas)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": child.name,
            "namespace": child.metadata["namespace"],
            # Somebody may have scaled it since it was seen; then this pass is repeated.
            "resourceVersion": child.metadata["resourceVersion"],
        },
        "spec": {"replicas": replicas},
    }
