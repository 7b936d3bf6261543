"""A voice bundle: the folder of weights, configurations and voices that a server speaks with.

`bundle.json` names every file with its sha256; the digest of a bundle is the sha256 of that manifest. Nothing is
loaded before all of it is verified, and nothing but safetensors and JSON is ever read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file

from timbre_inference.text import SymbolTable, Tokenizer

if TYPE_CHECKING:
    import torch

    from timbre_inference.models.family import FamilyLoader, VoiceFamily

MANIFEST = "bundle.json"
VOICES = "voices/voices.safetensors"
BUILTIN_DIR = "TIMBRE_BUILTIN_DIR"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BundleError(Exception):
    """The bundle can't be used; the message names the file and what is wrong with it."""


class BundleManifest(BaseModel):
    """`bundle.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = Field(1, ge=1, le=1)
    name: str
    version: str
    family: str
    languages: tuple[str, ...]
    sample_rate: int
    encoder_id: str
    default_voice: str
    licence: str
    training_data: tuple[str, ...] = ()
    files: dict[str, Sha256]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle."""

    folder: Path
    manifest: BundleManifest
    digest: str
    """sha256:… of bundle.json."""
    voices: Mapping[str, npt.NDArray[np.float32]]
    """The speaker embeddings that come with it, by voice."""

    def tokenizer(self) -> Tokenizer:
        """What turns sentences into this bundle's tokens."""
        try:
            return Tokenizer(SymbolTable.read(self.folder / "tokenizer.json"))
        except (OSError, ValidationError) as error:
            raise BundleError(f"tokenizer.json of {self.manifest.name} is not usable: {error}") from error

    def load_family(self, device: str, precision: str = "float32") -> VoiceFamily:
        """Loads the weights onto `device` ("cpu", "cuda") in `precision` ("float32", "bfloat16", "float16")."""
        import torch

        loader = _find_family(self.manifest.family)
        dtypes: dict[str, torch.dtype] = {
            "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16,
        }  # fmt: skip
        try:
            return loader(self.folder, torch.device(device), dtypes[precision])
        except (SafetensorError, ValueError, OSError) as error:
            raise BundleError(f"{self.manifest.name} {self.manifest.version} can't be loaded: {error}") from error


def load_bundle(source: str, digest: str = "") -> Bundle:
    """Finds a bundle, verifies every file of it against its manifest, and the manifest against `digest` if given.

    Args:
        source: `builtin://name`, `file:///path`, or a plain path.
        digest: `sha256:…` of bundle.json; empty accepts any.

    Raises:
        BundleError: not found, incomplete, altered, or of a format that this version does not know.
    """
    folder = find_bundle(source)
    manifest_bytes = _read(folder, MANIFEST)
    actual = f"sha256:{hashlib.sha256(manifest_bytes).hexdigest()}"
    if digest and digest != actual:
        raise BundleError(f"{MANIFEST} of {source} has digest {actual}, but {digest} was asked for")
    try:
        manifest = BundleManifest.model_validate_json(manifest_bytes)
    except ValidationError as error:
        raise BundleError(f"{MANIFEST} of {source} is not a manifest of format 1: {error}") from error
    for name, expected in manifest.files.items():
        _verify(folder, name, expected)
    return Bundle(folder, manifest, actual, _load_voices(folder, manifest))


def find_bundle(source: str) -> Path:
    """The local folder of a source."""
    parts = urlsplit(source)
    if parts.scheme in {"", "file"}:
        folder = Path(unquote(parts.path) if parts.scheme else source)
    elif parts.scheme == "builtin":
        folder = _builtin_dir() / parts.netloc
    else:
        raise BundleError(f"{source}: sources of kind {parts.scheme}:// are not served; use builtin:// or file:///")
    if not folder.is_dir():
        raise BundleError(f"{source}: there is no folder {folder}")
    return folder


def write_manifest(folder: Path, manifest: BundleManifest) -> BundleManifest:
    """Hashes all files of a folder into its bundle.json, written last so that a half-written bundle has none."""
    files = {
        path.relative_to(folder).as_posix(): _sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    complete = manifest.model_copy(update={"files": files})
    partial = folder / f"{MANIFEST}.partial"
    partial.write_text(complete.model_dump_json(indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / MANIFEST)
    return complete


def _builtin_dir() -> Path:
    if configured := os.environ.get(BUILTIN_DIR):
        return Path(configured)
    return Path(__file__).resolve().parents[2] / "models"  # a checkout


def _verify(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(f"{MANIFEST} names {name}, which lies outside the bundle")
    if not path.is_file():
        raise BundleError(f"{name} is missing from {folder.name}")
    if (actual := _sha256(path)) != expected:
        raise BundleError(
            f"{name} of {folder.name} is damaged or truncated: its sha256 is {actual[:12]}…, not {expected[:12]}…"
        )


def _load_voices(folder: Path, manifest: BundleManifest) -> Mapping[str, npt.NDArray[np.float32]]:
    if VOICES not in manifest.files:
        raise BundleError(f"{VOICES} is not listed in {MANIFEST} of {manifest.name}")
    try:
        voices: dict[str, npt.NDArray[np.float32]] = load_file(folder / VOICES)
    except SafetensorError as error:
        raise BundleError(f"{VOICES} is not readable: {error}") from error
    if manifest.default_voice not in voices:
        raise BundleError(f"{VOICES} has no voice {manifest.default_voice!r}, the default of {manifest.name}")
    return {name: embedding.astype(np.float32) for name, embedding in voices.items()}


def _find_family(name: str) -> FamilyLoader:
    for point in entry_points(group="timbre.families", name=name):
        loader: FamilyLoader = point.load()
        return loader
    raise BundleError(f"no model family {name!r} is installed")


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise BundleError(f"{name} is missing from {folder}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
