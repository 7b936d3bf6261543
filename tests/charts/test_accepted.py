"""All that the charts render, and every example, is judged by a real API server and by kubeconform."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.charts.api_schemas import write_schemas
from tests.charts.helm import ROOT, Helm, values_files
from tests.support.control_plane import ControlPlane

pytestmark = pytest.mark.control_plane

VALUES = values_files("timbre") + values_files("voice-models")
EXAMPLES = sorted((ROOT / "examples").glob("voicemodel-*.yaml"))
NAMESPACES = ("timbre-system", "speech", "support")
# The API groups that charts and examples use; a kind of another group has no schema, which kubeconform reports.
GROUPS = (
    "api/v1",
    "apis/apps/v1",
    "apis/rbac.authorization.k8s.io/v1",
    "apis/apiextensions.k8s.io/v1",
    "apis/monitoring.coreos.com/v1",
    "apis/timbre.dev/v1alpha1",
)


def raw(plane: ControlPlane, path: str) -> str:
    return plane.kubectl("get", "--raw", path)


@pytest.fixture(scope="module")
def judge(plane: ControlPlane) -> Iterator[ControlPlane]:
    """Return an API server that knows VoiceModels and has the namespaces that the values files name."""
    plane.install_crd()
    plane.wait_until("OpenAPI to list VoiceModels", lambda: "timbre.dev/v1" in raw(plane, "/openapi/v3"))
    for namespace in NAMESPACES:
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        plane.kubectl("apply", "--filename", "-", text=json.dumps(manifest))
    yield plane
    plane.kubectl("delete", "crd", "voicemodels.timbre.dev", "--wait")


@pytest.fixture(scope="module")
def schemas(judge: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write JSON schemas for kubeconform out of what the API server says of itself, VoiceModels included."""
    folder = tmp_path_factory.mktemp("schemas")
    write_schemas([json.loads(raw(judge, f"/openapi/v3/{group}")) for group in GROUPS], folder)
    return folder


def take(judge: ControlPlane, manifests: str) -> str:
    """Let the API server judge manifests as if it stored them; raises AssertionError with its complaint."""
    return judge.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename", "-", text=manifests)


def conform(programs: Path, schemas: Path, manifests: str) -> str:
    """Return kubeconform's complaints, one JSON document."""
    location = f"{schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    command = [str(programs / "kubeconform"), "-strict", "-output", "json", "-schema-location", location, "-"]
    done = subprocess.run(command, input=manifests, capture_output=True, text=True, timeout=60, check=False)
    complaints = json.loads(done.stdout)["resources"]
    return yaml.safe_dump(complaints) if done.returncode or complaints else ""


@pytest.mark.parametrize("values", VALUES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_api_server_takes_what_a_chart_renders(helm: Helm, judge: ControlPlane, values: Path) -> None:
    rendered = helm.template_text(values.parent.name, "--values", values)
    if rendered.strip():
        take(judge, rendered)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_kubeconform_finds_nothing_in_what_a_chart_renders(
    helm: Helm, programs: Path, schemas: Path, values: Path
) -> None:
    assert conform(programs, schemas, helm.template_text(values.parent.name, "--values", values)) == ""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_api_server_takes_every_example(judge: ControlPlane, example: Path) -> None:
    take(judge, example.read_text())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_kubeconform_finds_nothing_in_an_example(programs: Path, schemas: Path, example: Path) -> None:
    assert conform(programs, schemas, example.read_text()) == ""


WRONG = [
    pytest.param("spec: {replicas: 1, replica: 2}", "replica", id="an unknown field"),
    pytest.param("spec: {replicas: many}", "replicas", id="a wrong type"),
    pytest.param("spec: {runtime: {device: tpu}}", "device", id="a value that is not in the list"),
]


@pytest.mark.parametrize(("spec", "named"), WRONG)
def test_both_judges_see_a_mistake(judge: ControlPlane, programs: Path, schemas: Path, spec: str, named: str) -> None:
    manifest = f"apiVersion: timbre.dev/v1alpha1\nkind: VoiceModel\nmetadata: {{name: wrong}}\n{spec}\n"
    assert named in conform(programs, schemas, manifest)
    with pytest.raises(AssertionError, match=named):
        take(judge, manifest)


def test_what_only_cel_can_see_is_why_kubeconform_alone_is_not_enough(
    judge: ControlPlane, programs: Path, schemas: Path
) -> None:
    spec = "{autoscaling: {minReplicas: 3, maxReplicas: 2}}"
    manifest = f"apiVersion: timbre.dev/v1alpha1\nkind: VoiceModel\nmetadata: {{name: wrong}}\nspec: {spec}\n"
    assert conform(programs, schemas, manifest) == ""
    with pytest.raises(AssertionError, match="must not be above"):
        take(judge, manifest)


def test_a_kubeconform_without_a_schema_for_a_kind_is_not_silent(programs: Path, schemas: Path) -> None:
    manifest = "apiVersion: example.com/v1\nkind: Unheard\nmetadata: {name: of}\n"
    assert "could not find schema" in conform(programs, schemas, manifest)
