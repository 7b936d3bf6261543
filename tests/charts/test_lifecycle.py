"""The operator's chart installed, upgraded and removed by helm in a real API server, and what each leaves."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.charts.helm import CHARTS, Helm, HelmError
from tests.charts.kube import (
    ACCOUNT,
    CRD,
    HELLO,
    NAMESPACE,
    USED,
    apply,
    ensure_namespaces,
    owned,
    rights_in,
    wait_for_crd,
)
from tests.support.control_plane import ControlPlane

pytestmark = pytest.mark.control_plane


@pytest.fixture(autouse=True)
def clean(plane: ControlPlane, installer: Helm) -> Iterator[None]:
    """Take the release and what it leaves behind away after a test."""
    yield
    installer.uninstall(NAMESPACE)
    plane.kubectl("delete", "crd", CRD, "--ignore-not-found", "--wait")


def test_in_some_namespaces_only_it_has_no_rights_elsewhere(plane: ControlPlane, installer: Helm) -> None:
    ensure_namespaces(plane, "speech", "support")
    installer.install("timbre", NAMESPACE, "--set", "operator.namespaces={speech,support}")
    anyone = rights_in(plane, "default", f"system:serviceaccount:{NAMESPACE}:default")
    assert rights_in(plane, "speech", ACCOUNT) - anyone == USED
    assert rights_in(plane, "support", ACCOUNT) - anyone == USED
    assert rights_in(plane, "default", ACCOUNT) == anyone
    assert rights_in(plane, NAMESPACE, ACCOUNT) == anyone


def test_an_upgrade_brings_the_crd_along_and_leaves_voicemodels_alone(
    plane: ControlPlane, installer: Helm, tmp_path: Path
) -> None:
    older = tmp_path / "timbre"
    shutil.copytree(CHARTS / "timbre", older)
    [path] = (older / "files/crds").iterdir()
    crd = yaml.safe_load(path.read_text())
    newer = crd["spec"]["versions"][0].pop("additionalPrinterColumns")
    del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["suspend"]
    path.write_text(yaml.safe_dump(crd))

    installer.install(older, NAMESPACE)
    wait_for_crd(plane)
    apply(plane, HELLO)
    before = plane.get("voicemodel", "hello")["metadata"]["uid"]
    installer.install("timbre", NAMESPACE)

    [version] = plane.get("crd", CRD)["spec"]["versions"]
    assert [column["name"] for column in version["additionalPrinterColumns"]] == [column["name"] for column in newer]
    assert "suspend" in version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert plane.get("voicemodel", "hello")["metadata"]["uid"] == before


def test_an_uninstall_leaves_the_crd_and_voicemodels_and_nothing_else(plane: ControlPlane, installer: Helm) -> None:
    installer.install("timbre", NAMESPACE)
    wait_for_crd(plane)
    apply(plane, HELLO)
    installer.uninstall(NAMESPACE)
    assert owned(plane) == {f"customresourcedefinition.apiextensions.k8s.io/{CRD}"}
    assert plane.get("voicemodel", "hello")["metadata"]["name"] == "hello"


def test_after_an_uninstall_the_chart_can_be_installed_again_over_what_was_kept(
    plane: ControlPlane, installer: Helm
) -> None:
    installer.install("timbre", NAMESPACE)
    wait_for_crd(plane)
    apply(plane, HELLO)
    installer.uninstall(NAMESPACE)
    installer.install("timbre", NAMESPACE)
    assert plane.get("voicemodel", "hello")["metadata"]["name"] == "hello"
    assert plane.get("deployment", "timbre-operator", "--namespace", NAMESPACE)


def test_an_uninstall_leaves_nothing_when_the_crd_is_not_to_be_kept(plane: ControlPlane, installer: Helm) -> None:
    installer.install("timbre", NAMESPACE, "--set", "crds.keep=false")
    wait_for_crd(plane)
    apply(plane, HELLO)
    installer.uninstall(NAMESPACE)
    plane.wait_until("the CRD to go", lambda: not plane.kubectl("get", "crd", CRD, "--ignore-not-found"))
    assert owned(plane) == set()


def test_turning_the_crds_off_in_a_release_that_had_them_does_not_delete_them(
    plane: ControlPlane, installer: Helm
) -> None:
    installer.install("timbre", NAMESPACE)
    wait_for_crd(plane)
    apply(plane, HELLO)
    installer.install("timbre", NAMESPACE, "--set", "crds.enabled=false")
    assert plane.get("voicemodel", "hello")["metadata"]["name"] == "hello"


def test_two_releases_in_two_namespaces_do_not_touch_each_other(plane: ControlPlane, installer: Helm) -> None:
    ensure_namespaces(plane, "speech", "support")
    installer.install("timbre", NAMESPACE, "--set", "operator.namespaces={speech}")
    installer.install("timbre", "timbre-second", "--set", "operator.namespaces={support},crds.enabled=false")
    installer.uninstall("timbre-second")
    assert plane.get("rolebinding", "timbre-operator", "--namespace", "speech")
    assert plane.get("clusterrole", f"{NAMESPACE}-timbre-operator-edit")


def test_a_release_takes_over_crds_that_were_applied_by_hand_only_when_told_to(
    plane: ControlPlane, installer: Helm
) -> None:
    plane.install_crd()
    apply(plane, HELLO)
    with pytest.raises(HelmError, match="exists and cannot be imported"):
        installer.install("timbre", NAMESPACE)
    installer.install("timbre", NAMESPACE, "--take-ownership")
    assert plane.get("crd", CRD)["metadata"]["annotations"]["meta.helm.sh/release-name"] == "timbre"
    assert plane.get("voicemodel", "hello")["metadata"]["name"] == "hello"
