"""The real operator at work with the chart's account: the API server's audit log says which rights it used."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.charts.helm import Helm
from tests.charts.kube import ACCOUNT, CRD, HELLO, NAMESPACE, USED, apply, ensure_namespaces, wait_for_crd
from tests.charts.test_rbac import Right
from tests.support.control_plane import ControlPlane, free_port, kubeconfig

pytestmark = pytest.mark.control_plane

SCALED = {**HELLO, "metadata": {"name": "scaled"}, "spec": {"autoscaling": {"maxReplicas": 3}}}
SUSPENDED = '{"spec": {"suspend": true}}'
NOT_SCALED = '{"spec": {"autoscaling": {"engine": "none"}}}'
# Asked for by a PATCH that creates, so the audit log never shows it by itself.
CREATED_BY_PATCH = {
    (group, resource, verb) for group, resource, verb in USED if verb == "create" and resource != "events"
}


@pytest.fixture(params=[[], ["speech"]], ids=["cluster-wide", "in one namespace"])
def served(request: pytest.FixtureRequest, plane: ControlPlane, installer: Helm, tmp_path: Path) -> Iterator[str]:
    """Run the operator as the chart would, since there is no node to do it; yield a namespace that it serves."""
    namespace = (*request.param, "anywhere")[0]
    ensure_namespaces(plane, namespace)
    installer.install("timbre", NAMESPACE, "--set-json", f"operator.namespaces={json.dumps(request.param)}")
    wait_for_crd(plane)
    process = start_operator(plane, tmp_path)
    yield namespace
    process.terminate()
    process.wait(30)
    installer.uninstall(NAMESPACE)
    plane.kubectl("delete", "crd", CRD, "--wait")


def start_operator(plane: ControlPlane, folder: Path) -> subprocess.Popen[bytes]:
    """Start it with the environment of the chart's Deployment and a token of the chart's account."""
    token = plane.kubectl("create", "token", "timbre-operator", "--namespace", NAMESPACE).strip()
    config = folder / "kubeconfig"
    config.write_text(yaml.safe_dump(kubeconfig(plane.server, token)))
    deployment = plane.get("deployment", "timbre-operator", "--namespace", NAMESPACE)
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    chosen = {variable["name"]: variable.get("value", "") for variable in container["env"]}
    own = {"KUBECONFIG": str(config), "TIMBRE_OPERATOR_OPS_PORT": str(free_port())}
    with (folder / "operator.log").open("wb") as log:
        command = [sys.executable, "-m", "timbre_operator"]
        return subprocess.Popen(command, env={**os.environ, **chosen, **own}, stdout=log, stderr=log)


def identity(plane: ControlPlane, namespace: str, kind: str, name: str) -> str:
    """Return an object's uid, empty when there is none."""
    where = ("--namespace", namespace, "--ignore-not-found", "--output=jsonpath={.metadata.uid}")
    return plane.kubectl("get", kind, name, *where)


def patch(plane: ControlPlane, namespace: str, name: str, change: str) -> None:
    plane.kubectl("patch", "voicemodel", name, "--namespace", namespace, "--type=merge", f"--patch={change}")


def audited(plane: ControlPlane, namespace: str) -> dict[Right, set[int]]:
    """Return the rights that the operator's account asked for in a namespace or everywhere, and the answers."""
    rights: dict[Right, set[int]] = {}
    for line in plane.audit_lines():
        reference = line.get("objectRef", {})
        if line["user"]["username"] == ACCOUNT and reference.get("namespace", namespace) == namespace:
            resource = "/".join(filter(None, (reference.get("resource"), reference.get("subresource"))))
            right = (reference.get("apiGroup", ""), resource, line["verb"])
            rights.setdefault(right, set()).add(line["responseStatus"]["code"])
    # What has no resource is discovery, which every account may use.
    return {right: codes for right, codes in rights.items() if right[1]}


def test_the_operator_uses_every_right_it_has_and_lacks_none(plane: ControlPlane, served: str) -> None:
    apply(plane, HELLO, served)
    apply(plane, SCALED, served)
    plane.wait_until("the Service", lambda: identity(plane, served, "service", "hello"))
    plane.wait_until("the autoscaler", lambda: identity(plane, served, "hpa", "scaled"))
    hello = ("voicemodel", "hello", "--namespace", served)
    plane.wait_until("status", lambda: plane.get(*hello).get("status", {}).get("observedGeneration"))

    gone = identity(plane, served, "service", "hello")
    plane.kubectl("delete", "service", "hello", "--namespace", served)
    plane.wait_until("the Service to be back", lambda: identity(plane, served, "service", "hello") not in ("", gone))
    patch(plane, served, "scaled", NOT_SCALED)
    plane.wait_until("the autoscaler to go", lambda: not identity(plane, served, "hpa", "scaled"))
    patch(plane, served, "hello", SUSPENDED)
    ours = ("--namespace", served, "--field-selector=involvedObject.kind=VoiceModel")
    plane.wait_until("an Event", lambda: plane.get("events", *ours)["items"])

    asked = audited(plane, served)
    assert {right for right, codes in asked.items() if 403 in codes} == set()
    assert set(asked) | CREATED_BY_PATCH == USED
