"""The helm that the chart tests run, with a home of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.charts.helm import ROOT, Helm


@pytest.fixture(scope="session")
def programs() -> Path:
    """Return the folder of helm, kubeconform and kubectl; they are built when they are missing."""
    found = subprocess.run(
        [sys.executable, "-m", "tools.cluster", "bin"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return Path(found.stdout.strip())


@pytest.fixture(scope="session")
def helm(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Return helm, without a cluster."""
    return Helm(programs / "helm", {"HOME": str(tmp_path_factory.mktemp("helm"))})
