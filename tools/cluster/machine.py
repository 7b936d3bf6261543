"""What the cluster borrows from the machine outside its own folders, and how it is given back."""

import json
import subprocess
from functools import partial
from pathlib import Path

from tools.cluster.config import Config, Layout
from tools.cluster.terminal import wait_until

# Programs write to these paths whatever their settings say; inside the cluster each is a tmpfs.
HIDDEN_FOLDERS = (
    Path("/run/netns"),
    Path("/run/containerd"),
    Path("/var/lib/cni"),
    Path("/var/lib/kubelet"),
    Path("/var/log/containers"),
)
# The kubelet sets these for the whole machine.
KERNEL_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
CGROUPS = Path("/sys/fs/cgroup")


def borrow(config: Config) -> None:
    """Notes how things are, and makes the folders and control groups that the node expects."""
    settings = {name: Path("/proc/sys", name).read_text().strip() for name in KERNEL_SETTINGS}
    missing = [str(folder) for folder in HIDDEN_FOLDERS if not folder.exists()]
    note = {"settings": settings, "folders": missing}
    _note(config.layout).write_text(json.dumps(note, indent=2))
    for folder in missing:
        Path(folder).mkdir(parents=True)
    for hierarchy in hierarchies():
        (hierarchy / config.cgroup).mkdir(exist_ok=True)


def give_back(config: Config) -> None:
    """Undoes `borrow`, and removes what a cluster that died half-way left in control groups and mounts."""
    for hierarchy in hierarchies():
        _remove_cgroup(hierarchy / config.cgroup)
    for mount in sorted(mounts_below(config.layout.root), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False)
    if _note(config.layout).exists():
        note = json.loads(_note(config.layout).read_text())
        for name, value in note["settings"].items():
            Path("/proc/sys", name).write_text(value)
        for folder in note["folders"]:
            _remove_if_empty(Path(folder))


def mounts_below(folder: Path) -> list[str]:
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [point for point in points if Path(point).is_relative_to(folder)]


def _note(layout: Layout) -> Path:
    return layout.state / "borrowed.json"


def hierarchies() -> list[Path]:
    """Version 2 is one tree; version 1 has a tree for each controller, and maybe version 2 beside them."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if (path / "cgroup.procs").exists() and not path.is_symlink()]


def _remove_cgroup(folder: Path) -> None:
    if not folder.exists():
        return
    children = [path for path in folder.rglob("*") if path.is_dir()]
    for group in (*sorted(children, reverse=True), folder):
        wait_until(partial(_removed, group), f"control group {group} is empty", seconds=30, interval=0.05)


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # a process in it is still ending
        return False
    return True


def _remove_if_empty(folder: Path) -> None:
    """`ip netns` mounts its folder onto itself; a folder that somebody else uses by now stays."""
    if not folder.exists() or any(folder.iterdir()):
        return
    while str(folder) in mounts_below(folder):
        subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()
