"""Process 1 of the cluster's own process namespace: starts the components, starts one again that ended, reaps the rest.

When it dies, the kernel ends everything else in the namespace, container processes included, and
drops every mount: that is what makes `down` dependable.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tools.cluster.components import Component, components
from tools.cluster.config import Config
from tools.cluster.machine import HIDDEN_FOLDERS

RESTART_DELAY = 1.0


def main() -> None:
    """Never returns; expects to be started by `lifecycle.start`, in namespaces of its own."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    config = Config.from_environment()
    programs = Path(sys.argv[1])
    _prepare_mounts()
    running = {_start(component, config): component for component in components(config, programs)}
    while True:
        pid, status = os.wait()
        component = running.pop(pid, None)
        if component is None:
            continue  # an orphan from some container
        print(json.dumps({"ended": component.name, "status": os.waitstatus_to_exitcode(status)}), flush=True)
        time.sleep(RESTART_DELAY)
        running[_start(component, config)] = component


def _prepare_mounts() -> None:
    """Mounts made from here on are seen by every component and by nobody else."""
    subprocess.run(["mount", "--make-rshared", "/"], check=True)
    for folder in HIDDEN_FOLDERS:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "timbre", str(folder)], check=True)


def _start(component: Component, config: Config) -> int:
    with (config.layout.logs / f"{component.name}.log").open("ab") as log:
        process = subprocess.Popen(component.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    process.returncode = 0  # `main` waits for it, not the Popen object
    return process.pid


if __name__ == "__main__":
    main()
