"""Frozen configurations to and from JSON, where an unknown or mistyped key is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

Config = TypeVar("Config")


def read_config(kind: type[Config], path: Path) -> Config:
    """Parses `path` as the dataclass `kind`; pydantic's ValidationError (a ValueError) names what is wrong."""
    return TypeAdapter(kind, config=None).validate_json(path.read_bytes())


def write_config(config: Any, path: Path) -> None:  # noqa: ANN401  # any dataclass that pydantic can serialise
    """Writes a configuration so that `read_config` gives it back."""
    path.write_bytes(TypeAdapter(type(config)).dump_json(config, indent=1) + b"\n")
