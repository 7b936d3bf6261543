"""The real operator as a process of its own, with exactly the rights that it says it needs."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.control_plane import OPERATOR_USER, ControlPlane, free_port
from timbre_operator.permissions import PERMISSIONS

READING = {"get", "list", "watch"}
BINDING = "timbre-operator"


def grant(plane: ControlPlane) -> None:
    """Binds the operator's user to its rights, in the whole cluster."""
    rules = [
        {"apiGroups": [right.group], "resources": list(right.resources), "verbs": list(right.verbs)}
        for right in PERMISSIONS
    ]
    api = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": BINDING}}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": BINDING}
    binding = {
        **api,
        "kind": "ClusterRoleBinding",
        "roleRef": role,
        "subjects": [{"kind": "User", "name": OPERATOR_USER}],
    }
    for manifest in ({**api, "kind": "ClusterRole", "rules": rules}, binding):
        plane.kubectl("apply", "-f", "-", text=json.dumps(manifest))


@dataclass(frozen=True)
class OperatorProcess:
    plane: ControlPlane
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def metrics(self) -> str:
        return self.get("/metrics")

    def is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the operator ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}")
        try:
            return self.get("/readyz") == "ok\n"
        except OSError:
            return False

    def passes(self) -> float:
        """Passes over VoiceModels since the start."""
        numbers = re.findall(r"^timbre_operator_reconcile_seconds_count\{.*\} (\S+)$", self.metrics(), re.MULTILINE)
        return sum(float(number) for number in numbers)

    def waiting(self) -> float:
        (number,) = re.findall(r"^timbre_operator_waiting_voicemodels (\S+)$", self.metrics(), re.MULTILINE)
        return float(number)

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def requests(self) -> list[dict[str, Any]]:
        """What it asked of the API server since that was started, out of the audit log."""
        lines = self.plane.audit_lines()
        return [line for line in lines if line["user"]["username"] == OPERATOR_USER]

    def writes(self) -> list[str]:
        return [f"{line['verb']} {line['requestURI']}" for line in self.requests() if line["verb"] not in READING]

    def settle(self) -> None:
        """Waits until two looks in a row find nothing waiting, no new pass and no new request."""
        before: list[tuple[float, int]] = []

        def quiet() -> bool:
            before.append((self.passes(), len(self.writes())))
            return self.waiting() == 0 and len(before) > QUIET_LOOKS and len(set(before[-QUIET_LOOKS:])) == 1

        self.plane.wait_until("the operator to settle", quiet)


QUIET_LOOKS = 8
"""Looks are 50 ms and more apart."""


@contextmanager
def running_operator(plane: ControlPlane, settings: Mapping[str, str] | None = None) -> Iterator[OperatorProcess]:
    port = free_port()
    log = plane.folder / f"operator-{port}.log"
    environment = {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(plane.operator_kubeconfig),
        "TIMBRE_OPERATOR_OPS_PORT": str(port),
        "TIMBRE_OPERATOR_INFERENCE_IMAGE": "timbre-inference:test",
        **(settings or {}),
    }
    with log.open("wb") as output:
        command = [sys.executable, "-m", "timbre_operator"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=plane.folder)
        operator = OperatorProcess(plane, process, port, log)
        try:
            plane.wait_until("the operator to be ready", operator.is_ready)
            yield operator
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
