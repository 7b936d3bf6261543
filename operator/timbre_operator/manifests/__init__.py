"""VoiceModel -> the objects that serve it. Pure: no clock, no environment, no cluster."""

from timbre_operator.manifests.autoscaling import horizontal_pod_autoscaler, pod_disruption_budget
from timbre_operator.manifests.deployment import deployment, revision_of
from timbre_operator.manifests.metadata import Defaults, stamped
from timbre_operator.manifests.network import service, service_account
from timbre_operator.names import Manifest
from timbre_operator.voicemodel import VoiceModel

__all__ = ["Defaults", "build", "revision_of"]


def build(voicemodel: VoiceModel, defaults: Defaults) -> tuple[Manifest, ...]:
    """Every child, in the order in which they are best applied: pods need their ServiceAccount."""
    manifests = [
        service_account(voicemodel),
        deployment(voicemodel, defaults),
        service(voicemodel),
        pod_disruption_budget(voicemodel),
    ]
    if voicemodel.spec.autoscaler:
        manifests.append(horizontal_pod_autoscaler(voicemodel, voicemodel.spec.autoscaler))
    return tuple(stamped(manifest) for manifest in manifests)
