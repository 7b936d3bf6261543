"""One VoiceModel: applying it, watching it become Ready, and reaching its Service."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.cluster.config import ClusterError
from tools.cluster.kubernetes import Kubernetes
from tools.cluster.terminal import say

NAMESPACE = "timbre-demo"
NAME = "timbre-en"
MANIFEST = Path("examples/voicemodel-cpu.yaml")
FORWARDED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


def apply(kubernetes: Kubernetes) -> None:
    """Into a namespace of its own, under Pod Security "restricted"."""
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    kubernetes.kubectl("apply", "-f", "-", stdin=json.dumps(namespace))
    kubernetes.kubectl("-n", NAMESPACE, "apply", "-f", str(MANIFEST))


def wait_until_ready(kubernetes: Kubernetes, seconds: float) -> None:
    """Says what the VoiceModel's status says, whenever that changes."""
    deadline = time.monotonic() + seconds
    said = ""
    while True:
        ready = _ready_condition(kubernetes)
        text = f"{ready.get('reason', 'Pending')}: {ready.get('message', 'not seen by the operator yet')}"
        if text != said:
            say(text)
            said = text
        if ready.get("status") == "True":
            return
        if time.monotonic() > deadline:
            raise ClusterError(f"the VoiceModel is not Ready after {seconds:.0f} s; last: {said}")
        time.sleep(1)


@contextmanager
def reachable(kubernetes: Kubernetes) -> Iterator[int]:
    """A port of this machine that leads to the Service, for as long as the block runs."""
    command = [kubernetes.kubectl_path, "-n", NAMESPACE, "port-forward", f"service/{NAME}", ":80"]
    forward = subprocess.Popen(
        command, env=kubernetes.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        line = forward.stdout.readline() if forward.stdout else ""
        found = FORWARDED.search(line)
        if found is None:
            raise ClusterError(f"kubectl port-forward: {line.strip()}")
        yield int(found[1])
    finally:
        forward.terminate()
        forward.wait()


def _ready_condition(kubernetes: Kubernetes) -> dict[str, Any]:
    voicemodel = json.loads(kubernetes.kubectl("-n", NAMESPACE, "get", "voicemodel", NAME, "-o", "json"))
    for condition in voicemodel.get("status", {}).get("conditions", []):
        if condition["type"] == "Ready":
            return dict(condition)
    return {}
