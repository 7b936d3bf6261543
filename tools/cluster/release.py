"""Installs charts/timbre, and says which images it runs."""

import os

from tools.cluster.config import Config
from tools.cluster.images import read_references
from tools.cluster.kubernetes import Kubernetes, uses_current_cluster

NAMESPACE = "timbre-system"


def image_values(config: Config) -> list[str]:
    """Helm arguments. The local cluster runs what was built last; any other what the chart names, unless
    OPERATOR_IMAGE and IMAGE (the inference image) say otherwise."""
    references = {} if uses_current_cluster() else read_references(config.layout)
    operator = os.environ.get("OPERATOR_IMAGE") or references.get("operator", "")
    inference = os.environ.get("IMAGE") or references.get("inference", "")
    arguments: list[str] = []
    for key, reference in (("image", operator), ("inferenceImage", inference)):
        if reference:
            repository, _, tag = reference.rpartition(":")
            arguments += ["--set-string", f"{key}.repository={repository},{key}.tag={tag}"]
    return arguments


def install(config: Config, kubernetes: Kubernetes) -> None:
    """Installs or upgrades, and waits until the operator is available."""
    kubernetes.helm(
        "upgrade", "--install", "timbre", "charts/timbre", "--namespace", NAMESPACE, "--create-namespace",
        "--wait", "--timeout", "3m", *image_values(config),
    )  # fmt: skip


def uninstall(kubernetes: Kubernetes) -> None:
    kubernetes.helm("uninstall", "timbre", "--namespace", NAMESPACE, "--ignore-not-found", "--wait")
