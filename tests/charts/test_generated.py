"""What is canonical is written once; its copies are compared here."""

import tomllib
from pathlib import Path

import pytest
import yaml
from tools.charts.generate import ROOT, generated_files


@pytest.mark.parametrize("path", sorted(generated_files()), ids=str)
def test_a_generated_file_is_what_the_generator_writes(path: Path) -> None:
    committed = ROOT / path
    assert committed.exists(), f"{path} is missing: run python -m tools.charts.generate"
    assert committed.read_bytes() == generated_files()[path], f"{path} is stale: run python -m tools.charts.generate"


def test_the_chart_carries_the_crds_byte_for_byte_and_no_others() -> None:
    canonical = {path.name: path.read_bytes() for path in (ROOT / "crds").glob("*.yaml")}
    carried = {path.name: path.read_bytes() for path in (ROOT / "charts/timbre/files/crds").iterdir()}
    assert carried == canonical


@pytest.mark.parametrize("chart", ["timbre", "voice-models"])
def test_a_chart_has_the_version_of_the_distribution(chart: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    described = yaml.safe_load((ROOT / "charts" / chart / "Chart.yaml").read_text())
    assert described["version"] == described["appVersion"] == project["version"]
