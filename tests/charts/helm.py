"""Runs the real helm and gives back what it rendered."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "charts"
HERE = Path(__file__).resolve().parent

Manifest = dict[str, Any]


class HelmError(Exception):
    """helm ended with an error; the text is what it wrote to standard error."""


@dataclass(frozen=True)
class Helm:
    """The helm binary, and the environment it runs in."""

    binary: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str | Path) -> str:
        """Run helm and return its standard output; raise HelmError when it fails."""
        command = [str(self.binary), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=dict(self.environment), timeout=120, check=False
        )
        if done.returncode:
            raise HelmError(done.stderr or done.stdout)
        return done.stdout

    def template_text(self, chart: str, *arguments: str | Path, release: str = "timbre") -> str:
        """Render a chart of this repository as text, in the namespace timbre-system."""
        where = ("--namespace", "timbre-system", "--kube-version", "v1.34.4")
        return self.run("template", release, CHARTS / chart, *where, *arguments)

    def template(self, chart: str, *arguments: str | Path, release: str = "timbre") -> list[Manifest]:
        """Render a chart of this repository into manifests."""
        return [
            document
            for document in yaml.safe_load_all(self.template_text(chart, *arguments, release=release))
            if document
        ]

    def install(self, chart: str | Path, namespace: str, *arguments: str | Path, release: str = "timbre") -> str:
        """Install or upgrade a release and return its notes; wait for CRDs only, since no node runs pods here."""
        where = ("--namespace", namespace, "--create-namespace")
        return self.run("upgrade", "--install", release, CHARTS / chart, *where, *arguments)

    def uninstall(self, namespace: str, release: str = "timbre") -> None:
        """Remove a release, if it is there."""
        self.run("uninstall", release, "--namespace", namespace, "--ignore-not-found", "--wait")


def values_files(chart: str) -> list[Path]:
    """Return the table of values files that this chart is rendered with."""
    return sorted((HERE / "values" / chart).glob("*.yaml"))


def find(manifests: Sequence[Manifest], kind: str, name: str = "") -> Manifest:
    """Return the one manifest of a kind (and name)."""
    [found] = [m for m in manifests if m["kind"] == kind and name in ("", m["metadata"]["name"])]
    return found


def kinds(manifests: Sequence[Manifest]) -> list[str]:
    """Return the kinds in the order rendered."""
    return [manifest["kind"] for manifest in manifests]
