"""The real helm, and a real API server for it to install into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.charts.helm import HERE, Helm
from tests.support.control_plane import ControlPlane, programs_folder


@pytest.fixture(scope="session")
def programs() -> Path:
    """Return the folder of helm, kubeconform and kubectl; they are built when they are missing."""
    return programs_folder()


@pytest.fixture(scope="session")
def helm(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Return helm, without a cluster."""
    return Helm(programs / "helm", {"HOME": str(tmp_path_factory.mktemp("helm"))})


@pytest.fixture(scope="package")
def plane(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Run an API server that knows the Prometheus operator's kinds and nothing of Timbre."""
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"), programs)
    try:
        plane.start()
        plane.start_controller_manager()
        plane.kubectl("apply", "--server-side", "--filename", str(HERE / "prometheus-operator"))
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="package")
def installer(plane: ControlPlane, helm: Helm) -> Helm:
    """Return helm, with the API server to install into."""
    return Helm(helm.binary, {**helm.environment, "KUBECONFIG": str(plane.kubeconfig)})
