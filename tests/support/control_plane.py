"""A real etcd, API server and (on demand) controller manager on free loopback ports, in a temporary folder.

No node and no kubelet: pods stay Pending, which is enough for everything an operator does.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import yaml

REPOSITORY = Path(__file__).parents[2]
CRD_FILE = REPOSITORY / "crds" / "timbre.dev_voicemodels.yaml"
TOKEN = "control-plane-tests"
OPERATOR_USER = "timbre-operator"
OPERATOR_TOKEN = "timbre-operator-tests"
"""A user who may do nothing until a role is bound to it."""
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


def programs_folder() -> Path:
    """The folder with etcd, kube-apiserver and so on, built once and cached by the same command as the Makefile's."""
    command = [sys.executable, "-m", "tools.cluster", "bin"]
    printed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    return Path(printed.stdout.strip().splitlines()[-1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class ControlPlane:
    """Processes of one control plane, and how to reach them."""

    folder: Path
    programs: Path
    etcd_port: int = field(default_factory=free_port)
    peer_port: int = field(default_factory=free_port)
    api_port: int = field(default_factory=free_port)
    manager_port: int = field(default_factory=free_port)
    running: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = field(default_factory=list)

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def operator_kubeconfig(self) -> Path:
        return self.folder / "operator-kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"

    def start(self) -> None:
        self._write_files()
        self._start_etcd()
        self._start_api_server()
        self.wait_until("the API server to be ready", self._api_server_is_ready)

    def restart_api_server(self) -> None:
        """An outage: every watch and every connection is cut."""
        process, log = next(entry for entry in self.running if "kube-apiserver" in str(entry[0].args))
        # Not gently: it would first wait for its watchers to leave.
        process.kill()
        process.wait()
        log.close()
        self.running.remove((process, log))
        self._start_api_server()
        self.wait_until("the API server to be ready again", self._api_server_is_ready)

    def start_controller_manager(self) -> subprocess.Popen[bytes]:
        """Garbage collection and Deployments; nothing else is wanted here, and fewer controllers start faster."""
        return self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            "--controllers=garbage-collector-controller,deployment-controller,replicaset-controller,namespace-controller,"
            "serviceaccount-controller,disruption-controller",
            f"--service-account-private-key-file={self.folder}/sa.key",
            f"--root-ca-file={self.folder}/certs/apiserver.crt",
            "--leader-elect=false",
            f"--secure-port={self.manager_port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder}/manager-certs",
        )

    def install_crd(self) -> None:
        self.kubectl("apply", "-f", str(CRD_FILE))
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd/voicemodels.timbre.dev")

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        """kubectl's output; with check=False its complaint is in there too."""
        command = [str(self.programs / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        environment = {**os.environ, "HOME": str(self.folder)}
        done = subprocess.run(
            command, input=text, check=False, capture_output=True, text=True, env=environment, timeout=120
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout + ("" if check else done.stderr)

    def get(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return answer

    def audit_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.audit_log.read_text().splitlines() if line.endswith("}")]

    def wait_until(self, what: str, condition: Callable[[], object], timeout: float = 60.0) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            self._fail_if_one_died()
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout:.0f} s for {what}\n{self.logs()}")
            time.sleep(0.05)

    def logs(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text()[-2000:]}"
            for path in sorted(self.folder.glob("*.log"))
            if path != self.audit_log
        )

    def stop(self) -> None:
        for process, _ in reversed(self.running):
            process.terminate()
        for process, log in reversed(self.running):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.close()
        self.running.clear()

    def _fail_if_one_died(self) -> None:
        dead = [process.args for process, _ in self.running if process.poll() is not None]
        if dead:
            raise AssertionError(f"died: {dead}\n{self.logs()}")

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{program}.log").open("ab")
        process = subprocess.Popen([str(self.programs / program), *arguments], stdout=log, stderr=log, cwd=self.folder)
        self.running.append((process, log))
        return process

    def _start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        self._spawn(
            "etcd",
            f"--data-dir={self.folder}/etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--log-level=warn",
        )

    def _start_api_server(self) -> None:
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--secure-port={self.api_port}",
            "--bind-address=127.0.0.1",
            # Loopback is refused here; nothing listens on this address of the range for tests.
            "--advertise-address=198.18.0.2",
            "--service-cluster-ip-range=198.19.0.0/16",
            f"--cert-dir={self.folder}/certs",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={self.folder}/sa.key",
            f"--service-account-key-file={self.folder}/sa.pub",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.folder}/tokens.csv",
            f"--audit-log-path={self.audit_log}",
            f"--audit-policy-file={self.folder}/audit-policy.yaml",
        )

    def _api_server_is_ready(self) -> bool:
        connection = http.client.HTTPSConnection("127.0.0.1", self.api_port, timeout=2, context=_unverified())
        try:
            connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {TOKEN}"})
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _write_files(self) -> None:
        key, public = self.folder / "sa.key", self.folder / "sa.pub"
        openssl = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key)]
        subprocess.run(openssl, check=True, capture_output=True)
        subprocess.run(
            ["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(public)], check=True, capture_output=True
        )
        (self.folder / "tokens.csv").write_text(
            f'{TOKEN},admin,admin-uid,"system:masters"\n{OPERATOR_TOKEN},{OPERATOR_USER},operator-uid\n'
        )
        (self.folder / "audit-policy.yaml").write_text(yaml.safe_dump(AUDIT_POLICY))
        self.kubeconfig.write_text(yaml.safe_dump(kubeconfig(self.server, TOKEN)))
        self.operator_kubeconfig.write_text(yaml.safe_dump(kubeconfig(self.server, OPERATOR_TOKEN)))


def kubeconfig(server: str, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "default"}}],
        "clusters": [{"name": "test", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "test", "user": {"token": token}}],
    }


@contextmanager
def control_plane() -> Iterator[ControlPlane]:
    """A control plane with the VoiceModel CRD installed; stopped and removed whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="timbre-control-plane-"))
    plane = ControlPlane(folder, programs_folder())
    try:
        plane.start()
        plane.install_crd()
        yield plane
    finally:
        plane.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _unverified() -> ssl.SSLContext:
    # The API server signs its own certificate at start, and it listens on the loopback only.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
