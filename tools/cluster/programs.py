"""Builds the programs that the cluster is made of from Go modules, once, and keeps them by a hash of their sources."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.cluster.config import KUBERNETES_VERSION, ClusterError, Layout
from tools.cluster.terminal import say

GO_SOURCES = Path(__file__).parent / "go"
VERSION_PACKAGE = "k8s.io/component-base/version"
# What the checked-in module pins; the flag only tells the binary its own name.
KUBERNETES_FLAGS = " ".join(
    f"-X {VERSION_PACKAGE}.{key}={value}"
    for key, value in {
        "gitVersion": KUBERNETES_VERSION,
        "gitMajor": KUBERNETES_VERSION.removeprefix("v").split(".")[0],
        "gitMinor": KUBERNETES_VERSION.split(".")[1],
        "gitTreeState": "clean",
    }.items()
)


@dataclass(frozen=True)
class Program:
    """One Go binary: either a module of ours (`folder`) or a published command (`package@version`)."""

    name: str
    folder: str = ""
    package: str = ""
    linker_flags: str = ""
    links: tuple[str, ...] = ()
    """Names under which the binary acts as another program."""

    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"{self.package} {self.linker_flags}".encode())
        if self.folder:
            for path in sorted((GO_SOURCES / self.folder).iterdir()):
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:12]


PROGRAMS = (
    Program(
        "timbre-kubernetes",
        folder="kubernetes",
        linker_flags=KUBERNETES_FLAGS,
        links=(
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
            "kubelet",
            "kubectl",
        ),
    ),
    Program("pause", folder="pause"),
    Program("helm", package="helm.sh/helm/v3/cmd/helm@v3.22.0"),
    Program("coredns", package="github.com/coredns/coredns@v1.15.0"),
    Program("kubeconform", package="github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0"),
)


def bin_folder(layout: Layout, programs: tuple[Program, ...] = PROGRAMS) -> Path:
    """The folder of links that holds exactly these versions of exactly these programs."""
    digest = hashlib.sha256("".join(program.fingerprint() for program in programs).encode())
    return layout.root / f"bin-{digest.hexdigest()[:12]}"


def ensure(layout: Layout) -> Path:
    """Builds what is missing and returns the folder with every program in it."""
    target = bin_folder(layout)
    if (target / ".complete").exists():
        return target
    target.mkdir(parents=True, exist_ok=True)
    for program in PROGRAMS:
        binary = _ensure_program(layout, program)
        for name in (program.name, *program.links):
            _link(target / name, binary)
    (target / ".complete").touch()
    return target


def _ensure_program(layout: Layout, program: Program) -> Path:
    binary = layout.programs / f"{program.name}-{program.fingerprint()}" / program.name
    if binary.exists():
        return binary
    say(f"building {program.name} from Go modules")
    started = time.monotonic()
    partial = binary.parent.with_name(binary.parent.name + f".partial-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        _build(program, partial)
        binary.parent.mkdir(exist_ok=True)
        (partial / program.name).replace(binary)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    say(f"built {program.name} in {time.monotonic() - started:.0f} s, {binary.stat().st_size / 1e6:.0f} MB")
    return binary


def _build(program: Program, output: Path) -> None:
    if shutil.which("go") is None:
        raise ClusterError("the Go toolchain is missing; install Go 1.26 or newer")
    flags = ["-trimpath", "-ldflags", f"-s -w {program.linker_flags}".strip()]
    environment: Mapping[str, str] = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOBIN": str(output),
        "GOFLAGS": "-buildvcs=false",
    }
    if program.folder:
        command = ["go", "build", *flags, "-o", str(output / program.name), "."]
        folder = GO_SOURCES / program.folder
    else:
        command = ["go", "install", *flags, program.package]
        folder = output
    done = subprocess.run(
        ["nice", "-n", "5", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ClusterError(f"building {program.name} failed:\n{done.stderr[-4000:]}")


def _link(link: Path, binary: Path) -> None:
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(binary)
    temporary.replace(link)
