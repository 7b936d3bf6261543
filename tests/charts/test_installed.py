"""The operator's chart as it stands in a real API server after `helm install`."""

import re
from collections.abc import Iterator

import pytest
import yaml

from tests.charts.helm import Helm
from tests.charts.kube import ACCOUNT, CRD, NAMESPACE, USED, apply, ensure_namespaces, rights_in, wait_for_crd
from tests.support.control_plane import ControlPlane

pytestmark = pytest.mark.control_plane


@pytest.fixture(scope="module")
def installed(plane: ControlPlane, installer: Helm) -> Iterator[str]:
    """Install with defaults into a namespace that admits restricted pods only; yield the notes."""
    ensure_namespaces(plane, NAMESPACE)
    plane.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    yield installer.install("timbre", NAMESPACE)
    installer.uninstall(NAMESPACE)
    plane.kubectl("delete", "crd", CRD, "--wait")


@pytest.mark.usefixtures("installed")
def test_the_operators_pod_is_admitted_where_only_restricted_pods_are(plane: ControlPlane) -> None:
    plane.wait_until("the operator's pod", lambda: plane.get("pods", "--namespace", NAMESPACE)["items"])
    [pod] = plane.get("pods", "--namespace", NAMESPACE)["items"]
    assert pod["spec"]["serviceAccountName"] == "timbre-operator"


@pytest.mark.usefixtures("installed")
def test_the_api_server_grants_the_operator_what_it_uses_and_not_one_right_more(plane: ControlPlane) -> None:
    anyone = rights_in(plane, "default", f"system:serviceaccount:{NAMESPACE}:default")
    assert rights_in(plane, "default", ACCOUNT) - anyone == USED


@pytest.mark.usefixtures("installed")
def test_the_clusters_own_roles_find_the_rights_to_voicemodels(plane: ControlPlane) -> None:
    for role in ("view", "edit", "admin"):
        [selector] = plane.get("clusterrole", role)["aggregationRule"]["clusterRoleSelectors"]
        [label] = [f"{key}={value}" for key, value in selector["matchLabels"].items()]
        found = plane.get("clusterroles", "--selector", f"{label},app.kubernetes.io/part-of=timbre")
        assert found["items"], role


def test_the_voicemodel_in_the_notes_is_one_that_the_api_server_takes(plane: ControlPlane, installed: str) -> None:
    wait_for_crd(plane)
    [manifest] = re.findall(r"<<EOF\n(.*)\n  EOF", installed, flags=re.DOTALL)
    apply(plane, yaml.safe_load(manifest))
    plane.kubectl("delete", "voicemodel", "hello")
