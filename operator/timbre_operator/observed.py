"""What was seen in the cluster, reduced to what decisions need; the rest of each object is dropped at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from timbre_operator.names import (
    API_VERSION,
    CONTAINER,
    FIELD_MANAGER,
    KIND,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    REVISION_LABEL,
    VOICEMODEL_LABEL,
    Key,
    Manifest,
)

DROPPED_METADATA = ("managedFields", "creationTimestamp", "generateName", "selfLink")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Child:
    """A Deployment, Service, ... as it is in the cluster."""

    body: Manifest
    owns_replicas: bool = False
    """True when spec.replicas was set by this operator, so that leaving it out would reset it."""

    @property
    def metadata(self) -> Manifest:
        metadata: Manifest = self.body["metadata"]
        return metadata

    @property
    def uid(self) -> str:
        return str(self.metadata["uid"])

    @property
    def name(self) -> str:
        return str(self.metadata["name"])

    @property
    def labels(self) -> Mapping[str, str]:
        return self.metadata.get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.metadata.get("annotations") or {}

    @property
    def status(self) -> Mapping[str, Any]:
        return self.body.get("status") or {}

    @property
    def spec(self) -> Mapping[str, Any]:
        return self.body.get("spec") or {}

    @property
    def being_deleted(self) -> bool:
        return "deletionTimestamp" in self.metadata

    @property
    def controller(self) -> Mapping[str, Any] | None:
        references: Sequence[Mapping[str, Any]] = self.metadata.get("ownerReferences") or []
        return next((reference for reference in references if reference.get("controller")), None)


def observe_child(body: Mapping[str, Any]) -> Child:
    metadata = body["metadata"]
    kept = {name: value for name, value in metadata.items() if name not in DROPPED_METADATA}
    if LAST_APPLIED in (kept.get("annotations") or {}):
        kept["annotations"] = {name: text for name, text in kept["annotations"].items() if name != LAST_APPLIED}
    return Child({**body, "metadata": kept}, owns_replicas=_owns_replicas(metadata.get("managedFields") or []))


def _owns_replicas(managed: Sequence[Mapping[str, Any]]) -> bool:
    ours = (entry for entry in managed if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply")
    return any("f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {}) for entry in ours)


def voicemodel_of(body: Mapping[str, Any]) -> Key | None:
    """The VoiceModel that an object belongs to: by its owner, or by its label where the owner was taken off."""
    metadata = body["metadata"]
    for reference in metadata.get("ownerReferences") or []:
        if reference.get("kind") == KIND and reference.get("apiVersion") == API_VERSION:
            return Key(metadata["namespace"], reference["name"])
    name = (metadata.get("labels") or {}).get(VOICEMODEL_LABEL)
    return Key(metadata["namespace"], name) if name else None


def is_adoptable(child: Child, voicemodel_name: str) -> bool:
    """An orphan of ours: our labels for this very VoiceModel, and nobody controls it."""
    ours = child.labels.get(MANAGED_BY_LABEL) == MANAGED_BY and child.labels.get(VOICEMODEL_LABEL) == voicemodel_name
    return ours and child.controller is None


@dataclass(frozen=True, slots=True)
class Termination:
    """How a container ended."""

    exit_code: int
    reason: str
    message: str
    finished_at: str


@dataclass(frozen=True, slots=True)
class Pod:
    """What a pod says about itself."""

    name: str
    version: int = 0
    """resourceVersion: counts upwards."""
    revision: str = ""
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    ready: bool = False
    ending: bool = False
    unschedulable: str = ""
    """The scheduler's message, when it found no node."""
    waiting: str = ""
    waiting_message: str = ""
    image: str = ""
    termination: Termination | None = None
    """The container's last end, if it ever ended."""

    @property
    def active(self) -> bool:
        return not self.ending and self.phase not in {"Failed", "Succeeded"}


def observe_pod(body: Mapping[str, Any]) -> Pod:
    metadata, status = body["metadata"], body.get("status") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or []}
    container = _container(status)
    waiting = (container.get("state") or {}).get("waiting") or {}
    return Pod(
        name=metadata["name"],
        version=int(metadata["resourceVersion"]),
        revision=(metadata.get("labels") or {}).get(REVISION_LABEL, ""),
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        ending="deletionTimestamp" in metadata,
        unschedulable=_unschedulable(conditions.get("PodScheduled", {})),
        waiting=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        image=container.get("image", ""),
        termination=_termination(container),
    )


def _container(status: Mapping[str, Any]) -> Mapping[str, Any]:
    statuses = status.get("containerStatuses") or []
    return next((container for container in statuses if container.get("name") == CONTAINER), {})


def _unschedulable(condition: Mapping[str, Any]) -> str:
    refused = condition.get("status") == "False" and condition.get("reason") == "Unschedulable"
    return (condition.get("message") or "no node fits") if refused else ""


def _termination(container: Mapping[str, Any]) -> Termination | None:
    for state in ("state", "lastState"):
        ended = (container.get(state) or {}).get("terminated")
        if ended:
            return Termination(
                exit_code=ended.get("exitCode", 0),
                reason=ended.get("reason", ""),
                message=(ended.get("message") or "").strip(),
                finished_at=ended.get("finishedAt") or "",
            )
    return None
