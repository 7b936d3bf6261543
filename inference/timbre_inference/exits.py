"""How the process ends: each kind of fatal error is one class with its exit code, told to the kubelet in one line."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import ClassVar

logger = logging.getLogger(__name__)

DRAINED = 0
LONGEST_MESSAGE = 2000
"""The kubelet keeps 4096 bytes of a termination message; a character may take six in JSON's escapes, most take one."""


class FatalError(Exception):
    """The server cannot start, or cannot go on; `reason` is for machines, the message for people."""

    exit_code: ClassVar[int] = 70
    reason: ClassVar[str] = "Internal"


class BadSettingsError(FatalError):
    """The environment does not describe a server that can be run here."""

    exit_code = 64
    reason = "BadSettings"


class BadWeightsError(FatalError):
    """The bundle is missing, broken, or does not speak."""

    exit_code = 65
    reason = "BadWeights"


class NoDeviceError(FatalError):
    """The device that was asked for is not here."""

    exit_code = 69
    reason = "NoDevice"


class LostDeviceError(FatalError):
    """The device was here and does not answer any more."""

    exit_code = 69
    reason = "DeviceLost"


class NotDrainedError(FatalError):
    """The grace period or a second signal ended requests that were still being answered."""

    reason = "NotDrained"


class UnexpectedError(FatalError):
    """A fault of this program."""


def report(error: FatalError, termination_log: str) -> int:
    """Tell the log and, inside a pod, the kubelet; returns the exit code."""
    message = str(error)[:LONGEST_MESSAGE]
    logger.critical(message, extra={"reason": error.reason, "exit_code": error.exit_code})
    try:
        # Not created where it is missing: outside a pod nobody reads it.
        with Path(termination_log).open("r+", encoding="utf-8") as file:
            file.write(json.dumps({"reason": error.reason, "message": message}) + "\n")
    except OSError:
        logger.debug("no termination log at %s", termination_log)
    return error.exit_code
