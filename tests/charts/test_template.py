"""What the charts render, for a table of values files."""

import os
import re
from pathlib import Path

import pytest
import yaml

from tests.charts.helm import CHARTS, HERE, Helm, Manifest, find, kinds, values_files
from timbre_operator.settings import Settings

TIMBRE_VALUES = values_files("timbre")
CATALOGUE_VALUES = values_files("voice-models")


def without_crds(text: str) -> str:
    """Drop the CRDs, which test_generated.py compares, from rendered text."""
    documents = re.split(r"^---\n", text, flags=re.MULTILINE)
    return "---\n".join(document for document in documents if "kind: CustomResourceDefinition" not in document)


@pytest.mark.parametrize("chart", ["timbre", "voice-models"])
@pytest.mark.parametrize("values", ["defaults", "all-on"])
def test_a_chart_renders_its_golden_output(helm: Helm, chart: str, values: str) -> None:
    rendered = without_crds(helm.template_text(chart, "--values", HERE / f"values/{chart}/{values}.yaml"))
    golden = HERE / f"golden/{chart}/{values}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(rendered)
    assert rendered == golden.read_text(), (
        "meant? UPDATE_GOLDEN=1 pytest tests/charts/test_template.py, and read the diff"
    )


@pytest.mark.parametrize("values", TIMBRE_VALUES + CATALOGUE_VALUES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_helm_finds_nothing_to_complain_about(helm: Helm, values: Path) -> None:
    helm.run("lint", "--strict", CHARTS / values.parent.name, "--values", values)


def test_the_crds_are_rendered_whole_and_kept_on_uninstall(helm: Helm) -> None:
    crd = find(helm.template("timbre"), "CustomResourceDefinition", "voicemodels.timbre.dev")
    canonical = find(
        [yaml_of(path) for path in sorted((CHARTS / "timbre/files/crds").iterdir())],
        "CustomResourceDefinition",
        "voicemodels.timbre.dev",
    )
    assert crd["spec"] == canonical["spec"]
    assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_crds_that_are_not_kept_go_with_the_release(helm: Helm) -> None:
    crd = find(
        helm.template("timbre", "--set", "crds.keep=false"), "CustomResourceDefinition", "voicemodels.timbre.dev"
    )
    assert "helm.sh/resource-policy" not in crd["metadata"].get("annotations", {})


def test_nothing_but_the_deployment_and_its_metrics_remains_when_all_else_is_made_elsewhere(helm: Helm) -> None:
    manifests = helm.template("timbre", "--values", HERE / "values/timbre/minimal.yaml")
    assert sorted(kinds(manifests)) == ["Deployment", "Service"]
    assert find(manifests, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "made-elsewhere"


IMAGES = [
    pytest.param([], "ghcr.io/timbre-speech/timbre-operator:0.1.0", id="the chart's own version"),
    pytest.param(["image.tag=dev"], "ghcr.io/timbre-speech/timbre-operator:dev", id="a tag"),
    pytest.param(
        ["image.repository=localhost:5000/timbre-operator", "image.tag=dev", f"image.digest=sha256:{'a' * 64}"],
        f"localhost:5000/timbre-operator@sha256:{'a' * 64}",
        id="a digest, which wins over the tag",
    ),
]


@pytest.mark.parametrize(("settings", "expected"), IMAGES)
def test_the_operator_runs_the_image_that_is_asked_for(helm: Helm, settings: list[str], expected: str) -> None:
    assert container(helm.template("timbre", *sets(settings)))["image"] == expected


@pytest.mark.parametrize(("settings", "expected"), IMAGES)
def test_the_operator_learns_the_inference_image(helm: Helm, settings: list[str], expected: str) -> None:
    renamed = [
        setting.replace("image.", "inferenceImage.", 1).replace("-operator", "-inference") for setting in settings
    ]
    environment = environment_of(helm.template("timbre", *sets(renamed)))
    assert environment["TIMBRE_OPERATOR_INFERENCE_IMAGE"] == expected.replace("-operator", "-inference")


def test_every_variable_is_a_setting_that_the_operator_has_and_images_are_those_it_would_choose(helm: Helm) -> None:
    environment = environment_of(helm.template("timbre"))
    fields = {f"TIMBRE_OPERATOR_{name}".upper(): field for name, field in Settings.model_fields.items()}
    assert set(environment) <= set(fields)
    assert environment["TIMBRE_OPERATOR_INFERENCE_IMAGE"] == fields["TIMBRE_OPERATOR_INFERENCE_IMAGE"].default


def test_the_operator_learns_its_namespaces(helm: Helm) -> None:
    chosen = helm.template("timbre", "--set", "operator.namespaces={speech,support}")
    assert environment_of(chosen)["TIMBRE_OPERATOR_NAMESPACES"] == "speech,support"
    assert environment_of(helm.template("timbre"))["TIMBRE_OPERATOR_NAMESPACES"] == ""


def test_numbers_of_the_crd_survive_rendering(helm: Helm) -> None:
    assert not re.search(r": \d+(\.\d+)?e\+\d+", helm.template_text("timbre"))


@pytest.mark.parametrize("name", ["timbre", "speech", "a-release-whose-name-has-all-the-letters-helm-allows"])
def test_names_fit_whatever_the_release_is_called(helm: Helm, name: str) -> None:
    manifests = helm.template(
        "timbre", "--set", "monitoring.podMonitor=true,monitoring.serviceMonitor=true", release=name
    )
    names = [manifest["metadata"]["name"] for manifest in manifests if manifest["metadata"].get("namespace")]
    assert [found for found in names if len(found) > 63] == []


def yaml_of(path: Path) -> Manifest:
    document: Manifest = yaml.safe_load(path.read_text())
    return document


def sets(settings: list[str]) -> list[str]:
    return [argument for setting in settings for argument in ("--set", setting)]


def container(manifests: list[Manifest]) -> Manifest:
    [only] = find(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    found: Manifest = only
    return found


def environment_of(manifests: list[Manifest]) -> dict[str, str]:
    return {variable["name"]: variable.get("value", "") for variable in container(manifests)["env"]}
