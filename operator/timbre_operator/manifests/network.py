"""How the pods are reached, and who they are."""

from timbre_operator.manifests.metadata import child_metadata
from timbre_operator.names import Manifest, selector_labels, service_account_name
from timbre_operator.voicemodel import VoiceModel


def service(voicemodel: VoiceModel) -> Manifest:
    wanted = voicemodel.spec.networking.service
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": child_metadata(voicemodel, annotations=wanted.annotations),
        "spec": {
            "type": wanted.type,
            "selector": selector_labels(voicemodel.name),
            # Server-side apply tells ports apart by port and protocol, so the protocol is spelled out.
            "ports": [{"name": "http", "port": wanted.port, "protocol": "TCP", "targetPort": "http"}],
        },
    }


def service_account(voicemodel: VoiceModel) -> Manifest:
    """An identity without any rights: the server never talks to the API server."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": child_metadata(voicemodel, service_account_name(voicemodel.name)),
        "automountServiceAccountToken": False,
    }
