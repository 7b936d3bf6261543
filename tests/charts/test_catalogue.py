"""The catalogue of VoiceModels installed, changed and removed by helm in a real API server."""

import hashlib
from collections.abc import Iterator

import pytest

from tests.charts.helm import HERE, Helm, HelmError, find
from tests.support.control_plane import ControlPlane

pytestmark = pytest.mark.control_plane

ALL_ON = HERE / "values/voice-models/all-on.yaml"


@pytest.fixture(scope="module", autouse=True)
def api(plane: ControlPlane) -> Iterator[None]:
    """Install the CRD for the tests of this file."""
    plane.install_crd()
    yield
    plane.kubectl("delete", "crd", "voicemodels.timbre.dev", "--wait")


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    """Return a namespace of the test's own; helm makes it, and it goes with the API server."""
    return "voices-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:8]


def names(plane: ControlPlane, namespace: str) -> list[str]:
    return sorted(item["metadata"]["name"] for item in plane.get("voicemodels", "--namespace", namespace)["items"])


def test_each_enabled_entry_becomes_a_voicemodel(plane: ControlPlane, installer: Helm, namespace: str) -> None:
    notes = installer.install("voice-models", namespace, "--values", ALL_ON)
    assert names(plane, namespace) == ["narrator", "timbre-en", "timbre-en-cpu"]
    assert "voicemodel/narrator" in notes


def test_an_entry_takes_back_what_the_defaults_turn_on(plane: ControlPlane, installer: Helm, namespace: str) -> None:
    installer.install("voice-models", namespace, "--values", ALL_ON)
    spec = plane.get("voicemodel", "timbre-en-cpu", "--namespace", namespace)["spec"]
    assert (spec["suspend"], spec["replicas"], spec["runtime"]["compile"]) == (False, 0, False)
    assert spec["runtime"]["precision"] == "bfloat16"
    assert spec["podTemplate"]["spec"]["tolerations"] == []


def test_an_entry_that_is_switched_off_goes_and_the_others_stay(
    plane: ControlPlane, installer: Helm, namespace: str
) -> None:
    installer.install("voice-models", namespace, "--values", ALL_ON)
    before = plane.get("voicemodel", "narrator", "--namespace", namespace)["metadata"]["uid"]
    installer.install("voice-models", namespace, "--values", ALL_ON, "--set", "voiceModels.timbre-en.enabled=false")
    assert names(plane, namespace) == ["narrator", "timbre-en-cpu"]
    assert plane.get("voicemodel", "narrator", "--namespace", namespace)["metadata"]["uid"] == before


def test_an_uninstall_takes_its_voicemodels_and_no_others(plane: ControlPlane, installer: Helm, namespace: str) -> None:
    installer.install("voice-models", namespace, "--values", ALL_ON)
    mine = "apiVersion: timbre.dev/v1alpha1\nkind: VoiceModel\nmetadata: {name: mine}\nspec: {}\n"
    plane.kubectl("apply", "--namespace", namespace, "--filename", "-", text=mine)
    installer.uninstall(namespace)
    assert names(plane, namespace) == ["mine"]


def test_what_only_the_api_server_can_judge_is_refused_with_its_sentence(installer: Helm, namespace: str) -> None:
    limits = "voiceModels.a.spec.autoscaling.minReplicas=3,voiceModels.a.spec.autoscaling.maxReplicas=2"
    with pytest.raises(HelmError, match=r"minReplicas.*must not be above"):
        installer.install("voice-models", namespace, "--set", limits)


def test_an_entry_without_a_spec_is_what_the_defaults_say(helm: Helm) -> None:
    manifests = helm.template("voice-models", "--set", "voiceModels.plain.labels.a=b,defaults.runtime.device=cpu")
    assert find(manifests, "VoiceModel", "plain")["spec"] == {"runtime": {"device": "cpu"}}
