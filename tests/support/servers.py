"""`timbre serve` as a real process on free ports."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import sysconfig
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

START_SECONDS = 120.0


class ServerProcess:
    """Started by `with`, killed at its end if it still runs; its log is read as it comes."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self.log: list[dict[str, Any]] = []
        self._arrived: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        command = Path(sysconfig.get_path("scripts")) / "timbre"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIMBRE_")}
        self.process = subprocess.Popen(
            [sys.executable, str(command), "serve"],
            env=inherited
            | {"TIMBRE_HOST": "127.0.0.1", "TIMBRE_HTTP_PORT": "0", "TIMBRE_OPS_PORT": "0"}
            | {f"TIMBRE_{name}": value for name, value in self._settings.items()},
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self._drain_log()
        self.process.stderr.close()

    def wait_for(self, message: str) -> dict[str, Any]:
        """The first log line with this message, which may have come already."""
        for earlier in self.log:
            if earlier["message"] == message:
                return earlier
        while (line := self._next()) is not None:
            if line["message"] == message:
                return line
        raise AssertionError(f"the server ended without saying {message!r}: {self.log[-3:]}")

    def wait_for_exit(self) -> int:
        """The exit code; the log is complete then."""
        code = self.process.wait(START_SECONDS)
        self._drain_log()
        return code

    def terminate(self) -> None:
        """As the kubelet does."""
        self.process.send_signal(signal.SIGTERM)

    @property
    def api(self) -> str:
        """Base URL of the API, once it serves."""
        return f"http://127.0.0.1:{self.wait_for('serving')['http_port']}"

    def probe(self, path: str) -> tuple[int, str]:
        """Status and body from the ops port, open from the first moment."""
        port = self.wait_for("ops port open")["ops_port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def _next(self) -> dict[str, Any] | None:
        line = self._arrived.get(timeout=START_SECONDS)
        if line is None:
            self._arrived.put(None)  # The end stays the end for whoever asks next.
        else:
            self.log.append(line)
        return line

    def _drain_log(self) -> None:
        while self._next() is not None:
            pass

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._arrived.put(_parsed(line))
        self._arrived.put(None)


def _parsed(line: str) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"message": line.rstrip(), "structured": False}
    return parsed
