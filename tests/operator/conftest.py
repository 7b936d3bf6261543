"""One real control plane for all tests of this folder, a namespace for each."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.control_plane import ControlPlane, control_plane
from tests.support.operator_process import OperatorProcess, grant, running_operator

Manifest = dict[str, Any]
NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    with control_plane() as plane:
        plane.start_controller_manager()
        grant(plane)
        yield plane


@pytest.fixture(scope="session")
def shared_operator(plane: ControlPlane) -> Iterator[OperatorProcess]:
    with running_operator(plane) as operator:
        yield operator


@dataclass(frozen=True)
class Namespace:
    """A namespace under Pod Security "restricted", and what tests do in it."""

    plane: ControlPlane
    name: str

    def apply(self, name: str = "a", **spec: Any) -> None:
        self.create(
            {"apiVersion": "timbre.dev/v1alpha1", "kind": "VoiceModel", "metadata": {"name": name}, "spec": spec}
        )

    def create(self, manifest: Manifest) -> None:
        self.kubectl("apply", "-f", "-", text=json.dumps(manifest))

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        return self.plane.kubectl("-n", self.name, *arguments, text=text, check=check)

    def get(self, kind: str, name: str = "a") -> Manifest | None:
        text = self.kubectl("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def there(self, kind: str, name: str = "a") -> Manifest:
        """Waits for an object."""
        found: list[Manifest | None] = []
        self.until(f"{kind} {name} to be there", lambda: found.append(self.get(kind, name)) or found[-1])
        assert found[-1]
        return found[-1]

    def items(self, kind: str) -> list[Manifest]:
        listed: list[Manifest] = json.loads(self.kubectl("get", kind, "-o", "json"))["items"]
        return listed

    def condition(self, kind: str, name: str = "a") -> Manifest:
        found = (self.get("voicemodel", name) or {}).get("status", {}).get("conditions", [])
        return next((condition for condition in found if condition["type"] == kind), {})

    def wait_for(self, kind: str, status: str, reason: str = "", name: str = "a") -> Manifest:
        def holds() -> bool:
            seen = self.condition(kind, name)
            return seen.get("status") == status and reason in ("", seen.get("reason"))

        self.until(f"{kind} to be {status} {reason}", holds)
        return self.condition(kind, name)

    def pod_says(self, pod: str, status: Manifest) -> None:
        """Stands in for the kubelet."""
        self.kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def until(self, what: str, condition: Callable[[], object]) -> None:
        self.plane.wait_until(what, condition)


@pytest.fixture
def namespace(plane: ControlPlane) -> Namespace:
    name = f"test-{next(NUMBERS)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    plane.kubectl("create", "-f", "-", text=json.dumps(manifest))
    return Namespace(plane, name)


@pytest.fixture
def operator(shared_operator: OperatorProcess) -> OperatorProcess:
    assert shared_operator.is_ready()
    return shared_operator
