"""Where the cluster keeps its things, and the addresses that it uses.

Everything that `down` must remove lies under `Layout.state`; everything that is worth keeping between
clusters (built programs, the registry's blobs, image layers) lies beside it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
KUBERNETES_VERSION = "v1.34.4"
NODE_NAME = "timbre-node"
CLUSTER_DOMAIN = "cluster.local"


class ClusterError(Exception):
    """Something that the person at the terminal has to know; printed without a traceback."""


@dataclass(frozen=True)
class Network:
    """The namespace's name and its addresses, out of the range that is reserved for tests (RFC 2544)."""

    namespace: str = "timbre"
    host_link: str = "timbre-host"
    node_link: str = "timbre-node"
    host_address: str = "198.18.0.1"
    node_address: str = "198.18.0.2"
    link_prefix: int = 30
    pods: str = "198.18.128.0/17"
    services: str = "198.19.0.0/16"
    api_service: str = "198.19.0.1"
    dns_service: str = "198.19.0.10"
    registry_port: int = 5000

    @property
    def api_server(self) -> str:
        return f"https://{self.node_address}:6443"

    @property
    def registry(self) -> str:
        return f"{self.node_address}:{self.registry_port}"


@dataclass(frozen=True)
class Layout:
    """Folders, all under one cache folder outside the checkout."""

    root: Path

    @property
    def programs(self) -> Path:
        return self.root / "programs"

    @property
    def registry(self) -> Path:
        return self.root / "registry"

    @property
    def images(self) -> Path:
        """buildah's own storage, so that `podman` or `buildah` on the same machine are not touched."""
        return self.root / "images"

    @property
    def state(self) -> Path:
        """Of the running cluster; `down` removes it."""
        return self.root / "state"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.logs / "audit.log"

    @property
    def containerd_socket(self) -> Path:
        return self.state / "containerd.sock"

    def pki(self, name: str) -> Path:
        return self.state / "pki" / name


@dataclass(frozen=True)
class Config:
    layout: Layout
    network: Network
    gpus: int
    cgroup: str = "timbre"
    horizontal_autoscaler_period: str = "5s"

    @staticmethod
    def from_environment() -> "Config":
        """Reads TIMBRE_CACHE (a folder) and TIMBRE_CLUSTER_GPUS (how many devices the node pretends to have)."""
        home_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        cache = Path(os.environ.get("TIMBRE_CACHE") or home_cache / "timbre")
        gpus = os.environ.get("TIMBRE_CLUSTER_GPUS", "2")
        if not gpus.isdigit():
            raise ClusterError(f"TIMBRE_CLUSTER_GPUS must be a whole number, not {gpus!r}")
        return Config(Layout(cache.absolute() / "cluster"), Network(), int(gpus))
