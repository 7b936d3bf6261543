"""kubectl and helm, pointed at the local cluster or, with CLUSTER=current, at the one that kubectl already uses."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import programs
from tools.cluster.config import REPOSITORY, ClusterError, Config


@dataclass(frozen=True)
class Kubernetes:
    kubectl_path: str
    helm_path: str
    kubeconfig: Path | None
    """None: wherever kubectl finds one by itself."""

    @property
    def environment(self) -> dict[str, str]:
        folder = str(Path(self.helm_path).parent)
        environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        return {**environment, "KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else environment

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return self._run(self.kubectl_path, *arguments, stdin=stdin, check=check)

    def helm(self, *arguments: str) -> str:
        return self._run(self.helm_path, *arguments)

    def _run(self, *command: str, stdin: str | None = None, check: bool = True) -> str:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=self.environment,
            input=stdin or "",
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise ClusterError(f"{Path(command[0]).name} {' '.join(command[1:6])}: {done.stderr.strip()}")
        return done.stdout


def uses_current_cluster() -> bool:
    """CLUSTER=current; anything else but `local` is a slip of the keyboard."""
    choice = os.environ.get("CLUSTER", "local")
    if choice not in {"local", "current"}:
        raise ClusterError(f"CLUSTER must be `local` or `current`, not {choice!r}")
    return choice == "current"


def connect(config: Config) -> Kubernetes:
    binaries = programs.bin_folder(config.layout)
    if not uses_current_cluster():
        return Kubernetes(f"{binaries}/kubectl", f"{binaries}/helm", config.layout.kubeconfig)
    return Kubernetes(
        shutil.which("kubectl") or f"{binaries}/kubectl", shutil.which("helm") or f"{binaries}/helm", None
    )
