"""The Deployment: how many pods of which revision, and how one revision replaces another."""

import math

from timbre_operator.manifests.metadata import Defaults, child_metadata
from timbre_operator.manifests.pod import pod_template
from timbre_operator.names import REVISION_LABEL, Manifest, fingerprint, selector_labels
from timbre_operator.voicemodel import VoiceModel


def deployment(voicemodel: VoiceModel, defaults: Defaults) -> Manifest:
    rollout = voicemodel.spec.rollout
    spec: Manifest = {
        "selector": {"matchLabels": selector_labels(voicemodel.name)},
        "strategy": strategy(voicemodel),
        "progressDeadlineSeconds": math.ceil(rollout.progress_deadline),
        "revisionHistoryLimit": rollout.revision_history_limit,
        "template": with_revision(pod_template(voicemodel, defaults)),
    }
    if voicemodel.spec.autoscaler is None:
        spec["replicas"] = voicemodel.spec.promised_replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": child_metadata(voicemodel), "spec": spec}


def strategy(voicemodel: VoiceModel) -> Manifest:
    rollout = voicemodel.spec.rollout
    if rollout.strategy == "Recreate":
        return {"type": "Recreate"}
    if rollout.strategy == "Auto":
        return rolling_update(*_auto(voicemodel))
    return rolling_update(rollout.max_surge, rollout.max_unavailable)


def _auto(voicemodel: VoiceModel) -> tuple[int, int]:
    """maxSurge and maxUnavailable that cannot wait for a device that will never be free.

    With every GPU taken, a surge pod stays Pending, and the old pod, which holds the GPU, waits for it: for ever. So
    a pod with a GPU goes before its successor comes. Without GPUs the successor comes first and nobody notices.
    """
    return (0, 1) if voicemodel.spec.gpu else (1, 0)


def rolling_update(max_surge: int | str | None, max_unavailable: int | str | None) -> Manifest:
    limits = {"maxSurge": max_surge, "maxUnavailable": max_unavailable}
    given = {name: value for name, value in limits.items() if value is not None}
    return {"type": "RollingUpdate"} | ({"rollingUpdate": given} if given else {})


def with_revision(template: Manifest) -> Manifest:
    """The template with its hash as a label, by which status tells new pods from old ones."""
    metadata = template["metadata"]
    labels = {**metadata["labels"], REVISION_LABEL: fingerprint(template)}
    return {**template, "metadata": {**metadata, "labels": labels}}


def revision_of(manifest: Manifest) -> str:
    """The revision that a Deployment's manifest asks for."""
    return str(manifest["spec"]["template"]["metadata"]["labels"][REVISION_LABEL])
