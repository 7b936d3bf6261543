"""How many pods there are, and how many maintenance may take away."""

from timbre_operator.manifests.metadata import child_metadata
from timbre_operator.names import QUEUE_METRIC, Manifest, selector_labels
from timbre_operator.voicemodel import Autoscaling, VoiceModel


def horizontal_pod_autoscaler(voicemodel: VoiceModel, autoscaling: Autoscaling) -> Manifest:
    behavior = {"behavior": autoscaling.behavior.to_api()} if autoscaling.behavior else {}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": child_metadata(voicemodel),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": voicemodel.name},
            "minReplicas": autoscaling.min_replicas,
            "maxReplicas": autoscaling.max_replicas,
            "metrics": [queue_metric(voicemodel.spec.queue_target)],
            **behavior,
        },
    }


def queue_metric(target: int) -> Manifest:
    """Per pod, not per Service: one metric rule of the adapter then serves every VoiceModel."""
    return {
        "type": "Pods",
        "pods": {
            "metric": {"name": QUEUE_METRIC},
            "target": {"type": "AverageValue", "averageValue": str(target)},
        },
    }


def pod_disruption_budget(voicemodel: VoiceModel) -> Manifest:
    """In terms of maxUnavailable: minAvailable 1 on a single pod would hold up the drain of its node for ever."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": child_metadata(voicemodel),
        "spec": {
            "maxUnavailable": voicemodel.spec.disruption.max_unavailable,
            "selector": {"matchLabels": selector_labels(voicemodel.name)},
            # A pod that does not answer protects nobody; let its node be drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
