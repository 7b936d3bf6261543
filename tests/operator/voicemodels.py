"""VoiceModels for tests."""

from typing import Any

from timbre_operator.manifests import Defaults
from timbre_operator.voicemodel import VoiceModel, parse_voicemodel

DEFAULTS = Defaults(image="timbre-inference:test")


def body(name: str = "timbre-en", generation: int = 1, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "speech", "uid": "uid-1", "generation": generation, "resourceVersion": "1"}
    return {"apiVersion": "timbre.dev/v1alpha1", "kind": "VoiceModel", "metadata": metadata, "spec": spec}


def voicemodel(**spec: Any) -> VoiceModel:
    return parse_voicemodel(body(**spec))
