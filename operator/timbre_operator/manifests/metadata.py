"""What all children carry: labels, owner, and a stamp of what was applied."""

from dataclasses import dataclass

from timbre_operator.names import API_VERSION, KIND, MANIFEST_HASH, Manifest, common_labels, fingerprint
from timbre_operator.voicemodel import VoiceModel


@dataclass(frozen=True)
class Defaults:
    """What the operator's own settings add to a VoiceModel."""

    image: str
    image_pull_policy: str = ""


def child_metadata(voicemodel: VoiceModel, name: str = "", annotations: dict[str, str] | None = None) -> Manifest:
    metadata: Manifest = {
        "name": name or voicemodel.name,
        "namespace": voicemodel.metadata.namespace,
        "labels": common_labels(voicemodel.name),
        "ownerReferences": [owner_reference(voicemodel)],
    }
    return metadata | ({"annotations": dict(annotations)} if annotations else {})


def owner_reference(voicemodel: VoiceModel) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": voicemodel.name,
        "uid": voicemodel.metadata.uid,
        "controller": True,
        # True would need permission to set finalizers on VoiceModels, and nothing here must hold a deletion up.
        "blockOwnerDeletion": False,
    }


def stamped(manifest: Manifest) -> Manifest:
    """The manifest with its own hash in an annotation, by which a later pass sees that a field was taken out."""
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), MANIFEST_HASH: fingerprint(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}
