"""Names and labels that two places must agree on."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

Manifest = dict[str, Any]
"""An object for (or from) the API server, as JSON would hold it."""

GROUP = "timbre.dev"
VERSION = "v1alpha1"
PLURAL = "voicemodels"
KIND = "VoiceModel"
API_VERSION = f"{GROUP}/{VERSION}"

FIELD_MANAGER = "timbre-operator"
AUTOSCALING_MANAGER = "timbre-autoscaling"
"""Holds spec.replicas while ownership passes from the operator to an autoscaler; see docs/decisions."""

REPAIR_MANAGER = "timbre-repair"
"""Replaces a list that server-side apply could not put right; see `reconcile`."""

VOICEMODEL_LABEL = f"{GROUP}/voicemodel"
REVISION_LABEL = f"{GROUP}/revision"
MANIFEST_HASH = f"{GROUP}/manifest-hash"
"""Annotation on every child: hash of the manifest that was applied last."""

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "timbre-operator"
APPLICATION = "timbre-inference"

CONTAINER = "inference"
HTTP_PORT = 8000
OPS_PORT = 9090
QUEUE_METRIC = "timbre_queue_depth"


class Key(NamedTuple):
    """A VoiceModel's place in the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def selector_labels(name: str) -> dict[str, str]:
    """What Deployment, Service and PodDisruptionBudget find their pods by; a Deployment can never change it."""
    return {"app.kubernetes.io/name": APPLICATION, VOICEMODEL_LABEL: name}


def common_labels(name: str) -> dict[str, str]:
    return {
        **selector_labels(name),
        "app.kubernetes.io/instance": name,
        MANAGED_BY_LABEL: MANAGED_BY,
        "app.kubernetes.io/part-of": "timbre",
    }


def selector_string(name: str) -> str:
    """The selector as the scale subresource wants it."""
    return ",".join(f"{key}={value}" for key, value in sorted(selector_labels(name).items()))


def service_account_name(name: str) -> str:
    # Not the bare name: a VoiceModel may well be called "default", and that ServiceAccount is in every namespace.
    return f"timbre-{name}"


def service_url(key: Key, port: int) -> str:
    suffix = "" if port == 80 else f":{port}"
    return f"http://{key.name}.{key.namespace}.svc{suffix}"


def fingerprint(value: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits that change whenever the value does."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]
