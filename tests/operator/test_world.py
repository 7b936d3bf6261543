"""The cache behind every pass."""

from typing import Any

from timbre_operator.names import Key
from timbre_operator.world import ChildKey, World

KEY = Key("speech", "a")


def service(version: int = 1, uid: str = "s", **labels: str) -> dict[str, Any]:
    owner = {"apiVersion": "timbre.dev/v1alpha1", "kind": "VoiceModel", "name": "a", "uid": "v", "controller": True}
    metadata = {"name": "a", "namespace": "speech", "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"metadata": {**metadata, "ownerReferences": [owner], "managedFields": [{"manager": "x"}]}, "spec": {}}


def pod(name: str, version: int = 1, phase: str = "Running") -> dict[str, Any]:
    labels = {"timbre.dev/voicemodel": "a"}
    metadata = {"name": name, "namespace": "speech", "uid": name, "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata, "status": {"phase": phase}}


PLACE = ChildKey("Service", "speech", "a")


def test_an_event_names_the_voicemodel_that_it_concerns() -> None:
    world = World()
    assert world.see("Service", service()) == KEY
    assert world.see("Pod", pod("p")) == KEY
    assert world.forget("Service", service()) == KEY


def test_a_stranger_concerns_nobody() -> None:
    body = {"metadata": {"name": "x", "namespace": "speech", "uid": "x", "resourceVersion": "1"}}
    assert World().see("Service", body) is None


def test_a_late_event_does_not_undo_a_newer_one() -> None:
    world = World()
    world.see("Service", service(version=10, seen="new"))
    world.see("Service", service(version=9, seen="old"))
    child = world.child(PLACE)
    assert child
    assert child.labels == {"seen": "new"}


def test_a_successor_of_the_same_name_counts_whatever_its_version() -> None:
    world = World()
    world.see("Service", service(version=10))
    world.see("Service", service(version=9, uid="other"))
    child = world.child(PLACE)
    assert child
    assert child.uid == "other"


def test_managed_fields_are_not_kept() -> None:
    world = World()
    world.see("Service", service())
    child = world.child(PLACE)
    assert child
    assert "managedFields" not in child.metadata


def test_a_list_ends_what_a_watch_missed() -> None:
    world = World()
    world.see("Service", service())
    world.see("Pod", pod("p"))
    for kind in ("Service", "Pod"):
        world.replace(kind, [], world.snapshot(kind))
    assert world.child(PLACE) is None
    assert world.pods_of(KEY) == []


def test_what_a_watch_showed_during_a_list_is_newer_than_the_list() -> None:
    world = World()
    world.see("Pod", pod("old"))
    before = world.snapshot("Pod")
    world.see("Pod", pod("new"))
    world.see("Pod", pod("old", version=2, phase="Failed"))
    world.replace("Pod", [pod("old", version=1)], before)
    assert [(seen.name, seen.phase) for seen in world.pods_of(KEY)] == [("new", "Running"), ("old", "Failed")]


def test_pods_of_a_deleted_voicemodel_leave_nothing_behind() -> None:
    world = World()
    world.see("Pod", pod("p"))
    world.forget("Pod", pod("p"))
    assert world.pods_of(KEY) == []
    assert world.snapshot("Pod") == {}
