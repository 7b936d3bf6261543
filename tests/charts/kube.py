"""What the tests with an API server ask of it."""

import json

from tests.charts.helm import Manifest
from tests.charts.test_rbac import Right, rights_of
from tests.support.control_plane import ControlPlane
from timbre_operator.permissions import PERMISSIONS

NAMESPACE = "timbre-system"
CRD = "voicemodels.timbre.dev"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:timbre-operator"
HELLO = {"apiVersion": "timbre.dev/v1alpha1", "kind": "VoiceModel", "metadata": {"name": "hello"}, "spec": {}}
USED = {(p.group, resource, verb) for p in PERMISSIONS for resource in p.resources for verb in p.verbs}


def apply(plane: ControlPlane, manifest: Manifest, namespace: str = "default") -> None:
    """Apply one manifest."""
    plane.kubectl("apply", "--namespace", namespace, "--filename", "-", text=json.dumps(manifest))


def ensure_namespaces(plane: ControlPlane, *names: str) -> None:
    """Create namespaces that are not there."""
    for name in names:
        apply(plane, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def wait_for_crd(plane: ControlPlane) -> None:
    """Return when VoiceModels can be created."""
    plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{CRD}")


def rights_in(plane: ControlPlane, namespace: str, account: str) -> set[Right]:
    """Ask the API server for everything an account may do in a namespace."""
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    review = json.dumps({**kind, "spec": {"namespace": namespace}})
    answer = json.loads(
        plane.kubectl("create", "--validate=false", "--filename=-", "--output=json", f"--as={account}", text=review)
    )
    return rights_of(answer["status"]["resourceRules"])


def owned(plane: ControlPlane) -> set[str]:
    """Name everything that carries the release's label, of every kind that can be listed, in every namespace."""
    kinds = plane.kubectl("api-resources", "--verbs=list", "--output=name").split()
    selector = "--selector=app.kubernetes.io/instance=timbre,app.kubernetes.io/managed-by=Helm"
    listed = plane.kubectl("get", ",".join(kinds), "--all-namespaces", selector, "--output=name")
    return set(listed.split())
