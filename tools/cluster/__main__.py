"""The command line of the local cluster."""

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tools.cluster import lifecycle, programs
from tools.cluster.config import ClusterError, Config
from tools.cluster.terminal import say, step


def show_bin(config: Config) -> None:
    """Print the folder of programs (kubectl, helm, etcd, ...), building what is missing."""
    with _lock(config, "build"):
        folder = programs.ensure(config.layout)
    print(folder)


def up(config: Config) -> None:
    """Start the cluster; a healthy one is left as it is."""
    with _lock(config, "build"):
        programs.ensure(config.layout)
    with _lock(config, "cluster"), step("cluster up"):
        lifecycle.up(config)
    say(f"use it with: export KUBECONFIG={config.layout.kubeconfig}")


def down(config: Config) -> None:
    """Stop the cluster and remove all of it but the caches."""
    with _lock(config, "cluster"), step("cluster down"):
        lifecycle.down(config)


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
