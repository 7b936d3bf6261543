"""Where a pod may run: what its GPU implies, then what podTemplate adds."""

import copy
from typing import Any

from timbre_operator.names import Manifest, selector_labels
from timbre_operator.voicemodel import Gpu, PodScheduling, VoiceModel

PRODUCT_LABEL = "nvidia.com/gpu.product"
SHARING_LABEL = "nvidia.com/gpu.sharing-strategy"


def scheduling(voicemodel: VoiceModel) -> Manifest:
    wanted, gpu = voicemodel.spec.pod_template.spec, voicemodel.spec.gpu
    described: Manifest = {
        "nodeSelector": {**node_selector(gpu), **wanted.node_selector},
        "tolerations": tolerations(wanted, gpu),
        "affinity": affinity(wanted, gpu),
        "topologySpreadConstraints": topology_spread(voicemodel),
        "priorityClassName": wanted.priority_class_name,
        "runtimeClassName": wanted.runtime_class_name,
        "schedulerName": wanted.scheduler_name,
    }
    return {name: value for name, value in described.items() if value}


def node_selector(gpu: Gpu | None) -> dict[str, str]:
    if gpu is None:
        return {}
    selector = {PRODUCT_LABEL: gpu.product} if gpu.product else {}
    return selector | ({SHARING_LABEL: "time-slicing"} if gpu.sharing == "timeSlicing" else {})


def gpu_tolerations(gpu: Gpu | None) -> list[Manifest]:
    """GPU nodes are usually tainted with the name of their resource, to keep others off them."""
    return [{"key": gpu.resource_name, "operator": "Exists", "effect": "NoSchedule"}] if gpu else []


def tolerations(wanted: PodScheduling, gpu: Gpu | None) -> list[Manifest]:
    own = [toleration.to_api() for toleration in wanted.tolerations]
    return [implied for implied in gpu_tolerations(gpu) if implied not in own] + own


def affinity(wanted: PodScheduling, gpu: Gpu | None) -> Manifest:
    if gpu is None or gpu.sharing != "exclusive":
        return wanted.affinity
    return keep_off_shared_gpus(wanted.affinity)


def keep_off_shared_gpus(affinity: Manifest) -> Manifest:
    """The affinity with one more requirement in each of its alternatives (terms are ORed, so all of them need it).

    A node without the label counts as unshared: NotIn is true where the key is missing.
    """
    unshared = {"key": SHARING_LABEL, "operator": "NotIn", "values": ["time-slicing", "mps"]}
    merged: dict[str, Any] = copy.deepcopy(affinity)
    required = merged.setdefault("nodeAffinity", {}).setdefault("requiredDuringSchedulingIgnoredDuringExecution", {})
    for term in required.setdefault("nodeSelectorTerms", [{}]):
        term.setdefault("matchExpressions", []).append(unshared)
    return merged


def topology_spread(voicemodel: VoiceModel) -> list[Manifest]:
    selector = {"matchLabels": selector_labels(voicemodel.name)}
    wanted = voicemodel.spec.pod_template.spec.topology_spread_constraints
    return [{**constraint.to_api(), "labelSelector": selector} for constraint in wanted]
