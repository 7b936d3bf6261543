"""The real operator at work with the chart's account: the API server's audit log says which rights it used."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.charts.helm import Helm
from tests.charts.kube import ACCOUNT, CRD, HELLO, NAMESPACE, USED, apply, wait_for_crd
from tests.charts.test_rbac import Right
from tests.support.control_plane import ControlPlane, free_port, kubeconfig

pytestmark = pytest.mark.control_plane

SCALED = {
    **HELLO,
    "metadata": {"name": "scaled"},
    "spec": {"autoscaling": {"maxReplicas": 3}},
}
# Asked for by a PATCH that creates, so the audit log never shows it by itself.
CREATED_BY_PATCH = {
    (group, resource, verb) for group, resource, verb in USED if verb == "create" and resource != "events"
}


@pytest.fixture
def operator(plane: ControlPlane, installer: Helm, tmp_path: Path) -> Iterator[None]:
    """Install the chart and run the operator as the account that it makes; there is no node to run its pod."""
    installer.install("timbre", NAMESPACE)
    wait_for_crd(plane)
    token = plane.kubectl("create", "token", "timbre-operator", "--namespace", NAMESPACE).strip()
    config = tmp_path / "kubeconfig"
    config.write_text(yaml.safe_dump(kubeconfig(plane.server, token)))
    environment = {**os.environ, "KUBECONFIG": str(config), "TIMBRE_OPERATOR_OPS_PORT": str(free_port())}
    with (tmp_path / "operator.log").open("wb") as log:
        command = [sys.executable, "-m", "timbre_operator"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        yield
        process.terminate()
        process.wait(30)
    installer.uninstall(NAMESPACE)
    plane.kubectl("delete", "crd", CRD, "--wait")


def exists(plane: ControlPlane, kind: str, name: str) -> bool:
    return bool(plane.kubectl("get", kind, name, "--ignore-not-found", "--output=name"))


def uid(plane: ControlPlane, kind: str, name: str) -> str:
    return plane.kubectl("get", kind, name, "--ignore-not-found", "--output=jsonpath={.metadata.uid}")


def audited(plane: ControlPlane) -> dict[Right, set[int]]:
    """Return the rights that the operator's account asked for, and how the API server answered."""
    rights: dict[Right, set[int]] = {}
    for line in plane.audit_lines():
        reference = line.get("objectRef", {})
        if line["user"]["username"] == ACCOUNT and "resource" in reference:
            resource = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
            right = (reference.get("apiGroup", ""), resource, line["verb"])
            rights.setdefault(right, set()).add(line["responseStatus"]["code"])
    return rights


@pytest.mark.usefixtures("operator")
def test_the_operator_uses_every_right_it_has_and_lacks_none(plane: ControlPlane) -> None:
    apply(plane, HELLO)
    apply(plane, SCALED)
    plane.wait_until("all children", lambda: exists(plane, "service", "hello") and exists(plane, "hpa", "scaled"))
    plane.wait_until("status", lambda: plane.get("voicemodel", "hello").get("status", {}).get("observedGeneration"))

    gone = uid(plane, "service", "hello")
    plane.kubectl("delete", "service", "hello")
    plane.wait_until("the Service to be back", lambda: uid(plane, "service", "hello") not in ("", gone))
    plane.kubectl("patch", "voicemodel", "scaled", "--type=merge", '--patch={"spec":{"autoscaling":{"engine":"none"}}}')
    plane.wait_until("the autoscaler to go", lambda: not exists(plane, "hpa", "scaled"))
    plane.kubectl("patch", "voicemodel", "hello", "--type=merge", '--patch={"spec":{"suspend":true}}')
    ours = "--field-selector=involvedObject.kind=VoiceModel"
    plane.wait_until("an Event", lambda: plane.get("events", ours)["items"])

    asked = audited(plane)
    assert {right for right, codes in asked.items() if 403 in codes} == set()
    assert set(asked) | CREATED_BY_PATCH == USED
