"""What the watches have shown so far: the one cache, so that a pass costs no reads."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from timbre_operator.names import KIND, Key, Manifest
from timbre_operator.observed import (
    DROPPED_METADATA,
    LAST_APPLIED,
    Child,
    Pod,
    observe_child,
    observe_pod,
    voicemodel_of,
)

POD = "Pod"
Place = tuple[str, str]
"""Namespace and name."""


class ChildKey(NamedTuple):
    kind: str
    namespace: str
    name: str


def child_key(body: Mapping[str, Any]) -> ChildKey:
    return ChildKey(body["kind"], body["metadata"]["namespace"], body["metadata"]["name"])


class World:
    """VoiceModels, their children and their pods, as last seen."""

    def __init__(self) -> None:
        self._voicemodels: dict[Key, Manifest] = {}
        self._children: dict[ChildKey, Child] = {}
        self._pods: defaultdict[Key, dict[str, Pod]] = defaultdict(dict)
        self._settled: dict[ChildKey, str] = {}

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._voicemodels))

    def voicemodel(self, key: Key) -> Manifest | None:
        return self._voicemodels.get(key)

    def child(self, key: ChildKey) -> Child | None:
        return self._children.get(key)

    def pods_of(self, key: Key) -> list[Pod]:
        return sorted(self._pods[key].values(), key=lambda pod: pod.name) if key in self._pods else []

    def settled(self, key: ChildKey) -> str:
        """Digest of what the API server made of the last apply; empty before the first."""
        return self._settled.get(key, "")

    def settle(self, key: ChildKey, digest: str) -> None:
        self._settled[key] = digest

    def see(self, kind: str, body: Mapping[str, Any]) -> Key | None:
        """Takes an object in and says which VoiceModel it concerns; an older state than the known one is ignored."""
        if kind == KIND:
            return self._see_voicemodel(body)
        key = voicemodel_of(body)
        if kind == POD:
            if key:
                self._see_pod(key, observe_pod(body))
            return key
        place = child_key({**body, "kind": kind})
        known = self._children.get(place)
        if known is None or not _is_older(body["metadata"], known.metadata):
            self._children[place] = observe_child({**body, "kind": kind})
        return key

    def forget(self, kind: str, body: Mapping[str, Any]) -> Key | None:
        """Takes an object out and says which VoiceModel it concerned."""
        metadata = body["metadata"]
        if kind == KIND:
            return self._forget_voicemodel(Key(metadata["namespace"], metadata["name"]))
        key = voicemodel_of(body)
        if kind == POD:
            if key:
                self._forget_pod(key, metadata["name"])
            return key
        self.forget_child(child_key({**body, "kind": kind}))
        return key

    def forget_child(self, key: ChildKey) -> None:
        self._children.pop(key, None)
        self._settled.pop(key, None)

    def snapshot(self, kind: str) -> dict[Place, object]:
        """What is known of a kind now: taken before a list is asked for, given to `replace` with the answer."""
        if kind == KIND:
            return {(key.namespace, key.name): body for key, body in self._voicemodels.items()}
        if kind == POD:
            return {(key.namespace, name): pod for key, pods in self._pods.items() for name, pod in pods.items()}
        return {(key.namespace, key.name): child for key, child in self._children.items() if key.kind == kind}

    def replace(self, kind: str, bodies: Sequence[Mapping[str, Any]], before: Mapping[Place, object]) -> None:
        """Takes a complete list in: what was known before and is not on it is gone, even if no watch ever said so.

        What a watch has shown since `before` is newer than the list, and stays.
        """
        listed = {(body["metadata"]["namespace"], body["metadata"]["name"]) for body in bodies}
        now = self.snapshot(kind)
        for place in before.keys() - listed:
            if now.get(place) is before[place]:
                self._drop(kind, *place)
        for body in bodies:
            self.see(kind, body)

    def _drop(self, kind: str, namespace: str, name: str) -> None:
        if kind == KIND:
            self._forget_voicemodel(Key(namespace, name))
        elif kind == POD:
            for key in [key for key, pods in self._pods.items() if key.namespace == namespace and name in pods]:
                self._forget_pod(key, name)
        else:
            self.forget_child(ChildKey(kind, namespace, name))

    def _see_voicemodel(self, body: Mapping[str, Any]) -> Key:
        metadata = body["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        known = self._voicemodels.get(key)
        if known is None or not _is_older(metadata, known["metadata"]):
            self._voicemodels[key] = {**body, "metadata": _trimmed(metadata)}
        return key

    def _forget_voicemodel(self, key: Key) -> Key:
        self._voicemodels.pop(key, None)
        return key

    def _see_pod(self, key: Key, pod: Pod) -> None:
        known = self._pods[key].get(pod.name)
        if known is None or known.version <= pod.version:
            self._pods[key][pod.name] = pod

    def _forget_pod(self, key: Key, name: str) -> None:
        self._pods[key].pop(name, None)
        if not self._pods[key]:
            del self._pods[key]


def _trimmed(metadata: Mapping[str, Any]) -> Manifest:
    kept = {name: value for name, value in metadata.items() if name not in DROPPED_METADATA}
    annotations = {name: text for name, text in (kept.get("annotations") or {}).items() if name != LAST_APPLIED}
    return {**kept, "annotations": annotations}


def _is_older(new: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """A watch may still deliver what an answer to our own write has overtaken. Versions of one object count upwards."""
    return new["uid"] == known["uid"] and int(new["resourceVersion"]) < int(known["resourceVersion"])
