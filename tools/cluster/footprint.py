"""What a cluster could leave on a machine, as sets that can be compared before and after."""

import json
import os
import subprocess
from pathlib import Path

from tools.cluster.config import ClusterError, Config
from tools.cluster.machine import KERNEL_SETTINGS
from tools.cluster.machine import hierarchies as cgroup_hierarchies

WATCHED_FOLDERS = ("/etc/cni", "/opt", "/run", "/run/netns", "/var/lib", "/var/log", "/var/run")
PROGRAMS = (
    "containerd",
    "containerd-shim",
    "coredns",
    "docker-registry",
    "etcd",
    "kube-apiserver",
    "kube-controller",
    "kube-proxy",
    "kube-scheduler",
    "kubelet",
    "pause",
)

Footprint = dict[str, list[str]]


def take(config: Config) -> Footprint:
    return {
        "processes": _processes(),
        "mounts": _lines(Path("/proc/self/mountinfo").read_text(), column=4),
        "links": _lines(_run("ip", "-o", "link"), column=1),
        "routes": sorted(_run("ip", "route").splitlines()),
        "namespaces": sorted(_run("ip", "netns").splitlines()),
        "firewall": _firewall(),
        "control groups": _cgroups(config),
        "kernel settings": [f"{name} = {Path('/proc/sys', name).read_text().strip()}" for name in KERNEL_SETTINGS],
        "folders": _folders(),
        "state": [str(config.layout.state)] if config.layout.state.exists() else [],
    }


def require_same(before: Footprint, after: Footprint) -> None:
    """Raises with everything that is there now and was not, or is gone."""
    differences = [
        f"{sign} {kind}: {item}"
        for kind in before
        for sign, items in (
            ("left behind,", set(after[kind]) - set(before[kind])),
            ("gone,", set(before[kind]) - set(after[kind])),
        )
        for item in sorted(items)
    ]
    if differences:
        raise ClusterError("the cluster changed the machine:\n" + "\n".join(differences))


def save(config: Config, path: Path) -> None:
    path.write_text(json.dumps(take(config), indent=2))


def compare(config: Config, path: Path) -> None:
    require_same(json.loads(path.read_text()), take(config))


def _processes() -> list[str]:
    """By name alone: numbers differ, and a machine may well run a containerd of its own."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            name = (folder / "comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name.startswith(PROGRAMS):
            found.append(f"{name} ({folder.name})")
    return sorted(found)


def _firewall() -> list[str]:
    """Table and chain names; counters and rules of others may change meanwhile."""
    rules = _run("iptables-save", check=False)
    return sorted(line.split()[0] for line in rules.splitlines() if line.startswith((":KUBE", ":CNI")))


def _cgroups(config: Config) -> list[str]:
    return sorted(str(root / config.cgroup) for root in cgroup_hierarchies() if (root / config.cgroup).exists())


def _folders() -> list[str]:
    return sorted(entry.path for folder in WATCHED_FOLDERS if Path(folder).is_dir() for entry in os.scandir(folder))


def _lines(text: str, column: int) -> list[str]:
    return sorted(line.split()[column] for line in text.splitlines())


def _run(*command: str, check: bool = True) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=check).stdout
