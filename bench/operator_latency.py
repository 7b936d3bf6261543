"""How long from `kubectl apply` to the Deployment, what a minute of silence costs, and how much memory it takes.

A real etcd, API server and controller manager on this machine; times are the API server's own, out of its audit log:
from the arrival of the request that creates a VoiceModel to the answer to the one that creates its Deployment.

    python -m bench.operator_latency --voicemodels 50 --json operator.json
"""

import argparse
import json
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.control_plane import ControlPlane, control_plane
from tests.support.operator_process import OperatorProcess, grant, running_operator

Figures = dict[str, Any]


def manifest(name: str) -> dict[str, Any]:
    spec = {
        "resources": {"gpu": {"count": 1}, "limits": {"memory": "12Gi"}},
        "autoscaling": {"minReplicas": 1, "maxReplicas": 4},
    }
    return {"apiVersion": "timbre.dev/v1alpha1", "kind": "VoiceModel", "metadata": {"name": name}, "spec": spec}


def apply_at_once(plane: ControlPlane, names: list[str]) -> None:
    """All in one file, as a catalogue of voices comes."""
    listed = {"apiVersion": "v1", "kind": "List", "items": [manifest(name) for name in names]}
    plane.kubectl("apply", "-f", "-", text=json.dumps(listed))


def apply_one_by_one(plane: ControlPlane, names: list[str]) -> None:
    """Each when the one before has its Deployment, as people do."""
    for name in names:
        plane.kubectl("apply", "-f", "-", text=json.dumps(manifest(name)))
        plane.wait_until(f"Deployment {name}", lambda name=name: name in times(plane, "deployments", "patch", "stage"))


def times(plane: ControlPlane, resource: str, verb: str, which: str) -> dict[str, datetime]:
    """By name: when the request that created it arrived, or was answered."""
    stamp = {"arrival": "requestReceivedTimestamp", "stage": "stageTimestamp"}[which]
    return {
        line["objectRef"]["name"]: datetime.fromisoformat(line[stamp])
        for line in plane.audit_lines()
        if line["verb"] == verb
        and line["responseStatus"]["code"] == 201
        and line["objectRef"]["resource"] == resource
        and line["objectRef"].get("subresource") is None
    }


def latencies(plane: ControlPlane, names: list[str]) -> list[float]:
    """Milliseconds from the VoiceModel to its Deployment."""
    asked, made = times(plane, "voicemodels", "create", "arrival"), times(plane, "deployments", "patch", "stage")
    return sorted(1000 * (made[name] - asked[name]).total_seconds() for name in names)


def summary(values: list[float]) -> Figures:
    return {
        "median_ms": round(statistics.median(values), 1),
        "p95_ms": round(values[int(0.95 * (len(values) - 1))], 1),
        "max_ms": round(values[-1], 1),
        "voicemodels": len(values),
    }


def measure(plane: ControlPlane, operator: OperatorProcess, number: int, quiet_seconds: float) -> Figures:
    figures: Figures = {"resident_mib_idle": round(operator.resident_mib(), 1)}
    for how, apply in (("one_by_one", apply_one_by_one), ("at_once", apply_at_once)):
        names = [f"{how.replace('_', '-')}-{index}" for index in range(number)]
        apply(plane, names)
        plane.wait_until(
            "all Deployments", lambda names=names: set(names) <= times(plane, "deployments", "patch", "stage").keys()
        )
        figures[how] = summary(latencies(plane, names))
    operator.settle()
    figures["resident_mib"] = round(operator.resident_mib(), 1)
    before = len(operator.requests())
    time.sleep(quiet_seconds)
    asked = [line["verb"] for line in operator.requests()[before:]]
    figures["quiet"] = {
        "seconds": quiet_seconds,
        "writes": len([verb for verb in asked if verb not in ("get", "list", "watch")]),
        "reads": len(asked),
    }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voicemodels", type=int, default=50)
    parser.add_argument("--quiet-seconds", type=float, default=60.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with control_plane() as plane:
        plane.start_controller_manager()
        grant(plane)
        with running_operator(plane) as operator:
            figures = measure(plane, operator, arguments.voicemodels, arguments.quiet_seconds)
    text = json.dumps(figures, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
