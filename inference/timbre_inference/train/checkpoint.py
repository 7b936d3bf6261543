"""Training state on disk: written beside its target and moved over it, so a kill never leaves half a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch


class Stateful(Protocol):
    """A module, optimiser or schedule."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> object: ...


class CheckpointError(Exception):
    """The checkpoint is of another architecture, or is not one."""


def save_checkpoint(path: Path, parts: Mapping[str, Stateful], step: int) -> None:
    """Writes every part's state and the number of finished steps, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path, parts: Mapping[str, Stateful]) -> int:
    """Restores every part and returns the finished steps: 0, touching nothing, where there is no checkpoint."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    missing = parts.keys() - state.keys()
    if missing:
        raise CheckpointError(f"{path} has no {', '.join(sorted(missing))}: it is of another kind of training")
    try:
        for name, part in parts.items():
            part.load_state_dict(state[name])
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path} does not fit this configuration: {error}") from error
    return int(state["step"])
