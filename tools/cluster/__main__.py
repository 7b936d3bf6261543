"""The command line of the local cluster."""

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.cluster import diagnose, footprint, images, lifecycle, programs, release
from tools.cluster.config import ClusterError, Config
from tools.cluster.kubernetes import connect, uses_current_cluster
from tools.cluster.terminal import say, step


def show_bin(config: Config) -> None:
    """Print the folder of programs (kubectl, helm, etcd, ...), building what is missing."""
    with _lock(config, "build"):
        folder = programs.ensure(config.layout)
    print(folder)


def up(config: Config) -> None:
    """Start the cluster; a healthy one is left as it is."""
    if uses_current_cluster():
        say(f"using the cluster at {connect(config).kubectl('config', 'current-context').strip()}")
        return
    with _lock(config, "build"):
        programs.ensure(config.layout)
    with _lock(config, "cluster"), step("cluster up"):
        lifecycle.up(config)
    say(f"use it with: export KUBECONFIG={config.layout.kubeconfig}")


def down(config: Config) -> None:
    """Stop the cluster and remove all of it but the caches."""
    if uses_current_cluster():
        say("the cluster is yours; leaving it as it is")
        return
    with _lock(config, "cluster"), step("cluster down"):
        lifecycle.down(config)


def build_images(config: Config) -> None:
    """Build both images and push them to the cluster's registry."""
    if uses_current_cluster():
        say("CLUSTER=current runs published images (or IMAGE and OPERATOR_IMAGE); none are built")
        return
    up(config)
    with _lock(config, "images"):
        built = images.build_and_push(config)
        images.write_references(config.layout, built)
    for image in built:
        say(f"{image.kind}: {image.reference}")


def install(config: Config) -> None:
    """Install charts/timbre with the images built last."""
    with step("installing charts/timbre"):
        release.install(config, connect(config))


def show_diagnosis(config: Config) -> None:
    """Print pods, events, VoiceModels and logs."""
    print(diagnose.report(config, connect(config)))


def save_footprint(config: Config) -> None:
    """Note processes, mounts, links, rules and folders of the machine in FILE."""
    footprint.save(config, Path(os.environ["FILE"]))


def compare_footprint(config: Config) -> None:
    """Fail if the machine is not as FILE says it was."""
    footprint.compare(config, Path(os.environ["FILE"]))
    say("nothing was left behind")


def env(config: Config) -> None:
    """Print shell lines that point kubectl and helm at the cluster."""
    print(f"export KUBECONFIG={config.layout.kubeconfig}")
    print(f"export PATH={programs.bin_folder(config.layout)}:$PATH")


def info(config: Config) -> None:
    """Print what scripts need to know about the cluster, as JSON."""
    facts = {
        "up": lifecycle.is_up(config),
        "kubeconfig": str(config.layout.kubeconfig),
        "bin": str(programs.bin_folder(config.layout)),
        "registry": config.network.registry,
        "namespace": config.network.namespace,
        "auditLog": str(config.layout.audit_log),
        "logs": str(config.layout.logs),
        "gpus": config.gpus,
    }
    print(json.dumps(facts, indent=2))


COMMANDS: dict[str, Callable[[Config], None]] = {
    "bin": show_bin,
    "up": up,
    "down": down,
    "env": env,
    "info": info,
    "images": build_images,
    "install": install,
    "diagnose": show_diagnosis,
    "footprint-save": save_footprint,
    "footprint-compare": compare_footprint,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tools.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.__doc__)
    arguments = parser.parse_args()
    try:
        COMMANDS[arguments.command](Config.from_environment())
    except ClusterError as error:
        say(f"error: {error}")
        return 1
    return 0


@contextmanager
def _lock(config: Config, name: str) -> Iterator[None]:
    """One at a time on this machine: two builds or two clusters would only disturb each other."""
    config.layout.root.mkdir(parents=True, exist_ok=True)
    with (config.layout.root / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(os.getpid()))
        yield


if __name__ == "__main__":
    sys.exit(main())
