"""Up and down. Both may be repeated, and either may be cut off at any point: the next one starts clean."""

import json
import os
import shutil
import signal
import string
import subprocess
import sys
from pathlib import Path

from tools.cluster import machine, network, pki, programs, scratch_image
from tools.cluster.config import CLUSTER_DOMAIN, NODE_NAME, REPOSITORY, ClusterError, Config
from tools.cluster.node_files import PAUSE_IMAGE, configuration_files
from tools.cluster.terminal import say, step, wait_until

COREDNS_IMAGE = "localhost/coredns:v1.15.0"
NEEDED_COMMANDS = ("containerd", "runc", "ctr", "docker-registry", "iptables", "ip", "nsenter", "unshare", "openssl")
FULL_REGISTRY = 9_000_000_000
MANIFESTS = Path(__file__).parent / "manifests"


def up(config: Config) -> None:
    """Brings a cluster up whose node is Ready and whose names resolve; leaves a healthy one as it is."""
    _require_machine()
    binaries = programs.ensure(config.layout)
    if _healthy(config, binaries):
        say("the cluster is already up")
        return
    if network.exists(config.network) or config.layout.state.exists():
        with step("removing what is left of an earlier cluster"):
            down(config)
    with step("starting the control plane"):
        _prepare(config)
        _start(config, binaries)
        _wait_for_api(config, binaries)
    with step("waiting for the node"):
        _import_images(config, binaries)
        _apply_manifests(config, binaries)
        _wait_for_node(config, binaries)
    with step("waiting for the cluster's DNS"):
        _kubectl(
            config, binaries, "-n", "kube-system", "wait", "deployment/coredns", "--for=condition=Available",
            "--timeout=60s",
        )  # fmt: skip
    _ready_file(config).write_text(str(binaries))


def down(config: Config) -> None:
    """Removes everything but the caches: processes, mounts, control groups, links, namespaces, state."""
    _end_processes(config)
    network.remove(config.network)
    machine.give_back(config)
    if config.layout.state.exists():
        shutil.rmtree(config.layout.state)


def is_up(config: Config) -> bool:
    return _ready_file(config).exists() and bool(network.processes(config.network))


def _require_machine() -> None:
    if os.geteuid() != 0:
        raise ClusterError("a local cluster needs root; or set CLUSTER=current to use one that kubectl points at")
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [command for command in NEEDED_COMMANDS if shutil.which(command, path=path) is None]
    if missing:
        raise ClusterError(f"missing: {', '.join(missing)}; run `make setup`")


def _ready_file(config: Config) -> Path:
    return config.layout.state / "ready"


def _healthy(config: Config, binaries: Path) -> bool:
    if not is_up(config) or _ready_file(config).read_text() != str(binaries):
        return False
    answer = subprocess.run(
        [f"{binaries}/kubectl", "--kubeconfig", str(config.layout.kubeconfig), "get", "--raw", "/readyz"],
        capture_output=True,
        check=False,
        timeout=10,
    )
    return answer.returncode == 0


def _prepare(config: Config) -> None:
    _empty_a_full_registry(config)
    for folder in (config.layout.state, config.layout.logs, config.layout.registry):
        folder.mkdir(parents=True, exist_ok=True)
    machine.borrow(config)
    for name, text in configuration_files(config).items():
        path = config.layout.state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    pki.create(config.layout, config.network)
    network.create(config.network)


def _empty_a_full_registry(config: Config) -> None:
    """Every new environment adds gigabytes, and nobody asks for the old ones; `make images` pushes what is current."""
    blobs = (path for path in config.layout.registry.rglob("*") if path.is_file())
    if sum(path.stat().st_size for path in blobs) > FULL_REGISTRY:
        say("the registry has grown; emptying it")
        shutil.rmtree(config.layout.registry)


def _start(config: Config, binaries: Path) -> None:
    inside = (
        "nsenter", f"--net=/run/netns/{config.network.namespace}",
        "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
    )  # fmt: skip
    with (config.layout.logs / "supervisor.log").open("ab") as log:
        subprocess.Popen(
            [*inside, sys.executable, "-m", "tools.cluster.supervisor", str(binaries)],
            cwd=REPOSITORY,
            env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait_for_api(config: Config, binaries: Path) -> None:
    def answers() -> bool:
        command = [f"{binaries}/kubectl", "--kubeconfig", str(config.layout.kubeconfig), "get", "--raw", "/readyz"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    wait_until(answers, f"the API server is ready (logs: {config.layout.logs})", seconds=60)


def _import_images(config: Config, binaries: Path) -> None:
    wait_until(config.layout.containerd_socket.exists, "containerd listens", seconds=30)
    for reference, program in ((PAUSE_IMAGE, "pause"), (COREDNS_IMAGE, "coredns")):
        archive = config.layout.state / f"{program}.tar"
        scratch_image.write(archive, reference, binaries / program)
        address = ("--address", str(config.layout.containerd_socket))
        subprocess.run(
            ["ctr", *address, "-n", "k8s.io", "images", "import", str(archive)], check=True, capture_output=True
        )
        archive.unlink()


def _apply_manifests(config: Config, binaries: Path) -> None:
    values = {"cluster_domain": CLUSTER_DOMAIN, "dns_service": config.network.dns_service, "image": COREDNS_IMAGE}
    for manifest in sorted(MANIFESTS.glob("*.yaml")):
        text = string.Template(manifest.read_text()).substitute(values)
        _kubectl(config, binaries, "apply", "-f", "-", stdin=text)


def _wait_for_node(config: Config, binaries: Path) -> None:
    node = f"node/{NODE_NAME}"
    _kubectl(config, binaries, "wait", "--for=create", node, "--timeout=60s")
    if config.gpus:
        paths = (f"/status/{place}/nvidia.com~1gpu" for place in ("capacity", "allocatable"))
        patch = [{"op": "add", "path": path, "value": str(config.gpus)} for path in paths]
        _kubectl(config, binaries, "patch", node, "--subresource=status", "--type=json", "-p", json.dumps(patch))
    _kubectl(config, binaries, "wait", "--for=condition=Ready", node, "--timeout=60s")


def _kubectl(config: Config, binaries: Path, *arguments: str, stdin: str | None = None) -> str:
    command = [f"{binaries}/kubectl", "--kubeconfig", str(config.layout.kubeconfig), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"kubectl {' '.join(arguments[:4])}: {done.stderr.strip()}")
    return done.stdout


def _end_processes(config: Config) -> None:
    def none_left() -> bool:
        pids = network.processes(config.network)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not pids

    wait_until(none_left, "the cluster's processes end", seconds=30, interval=0.1)
