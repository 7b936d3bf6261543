"""How many processors this process may really use: the container's quota, not the host's cores."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def usable_cpus() -> float:
    """Fractions count: a limit of 1500m is 1.5."""
    allowed = float(len(os.sched_getaffinity(0)))
    quota = cgroup_quota(CGROUPS, Path("/proc/self/cgroup").read_text())
    return allowed if quota is None else min(allowed, quota)


def cgroup_quota(root: Path, membership: str) -> float | None:
    """The tightest CPU quota from this process's cgroup up to the root; None without one.

    membership: the text of /proc/self/cgroup, lines of `id:controllers:path`. Inside a container the paths
    may be the host's and not exist: then the mounted root is the container's own cgroup.
    """
    quotas = []
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            quotas += [_quota_v2(folder / "cpu.max") for folder in _up(root, path)]
        elif "cpu" in controllers.split(","):
            for mount in (root / controllers, root / "cpu"):
                quotas += [_quota_v1(folder) for folder in _up(mount, path)]
    return min((quota for quota in quotas if quota is not None), default=None)


def model_threads(cpus: float, device: str) -> int:
    """Threads for the model, leaving room for the event loop, the encoders and the probes.

    Below four processors every one counts, and the kernel shares them well enough. A GPU's host side does
    small work only.
    """
    whole = max(1, math.floor(cpus))
    if device != "cpu":
        return min(4, whole)
    return whole if whole < 4 else whole - 1


def _up(mount: Path, path: str) -> list[Path]:
    folders = [mount]
    for part in Path(path.lstrip("/")).parts:
        folders.append(folders[-1] / part)
    return folders


def _quota_v2(file: Path) -> float | None:
    try:
        quota, period = file.read_text().split()
    except OSError:
        return None
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
    except OSError:
        return None
    return None if quota <= 0 else quota / period
