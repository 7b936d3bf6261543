"""What a model family must offer to be served; found through the entry-point group `timbre.families`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from timbre_inference.synthesis_options import SynthesisOptions

__all__ = ["FamilyInfo", "FamilyLoader", "Plan", "SynthesisOptions", "VoiceFamily"]


@dataclass(frozen=True, slots=True)
class FamilyInfo:
    """What a family states about itself."""

    sample_rate: int
    hop_length: int
    languages: tuple[str, ...]
    embedding_size: int
    encoder_id: str
    reference_sample_rate: int
    context_frames: int
    """Frames on each side that a sample can hear: what a chunk of a decode needs around it to be exact."""


class Plan(Protocol):
    """One row after the acoustic model: opaque, but for how long it will be."""

    @property
    def frames(self) -> int:
        """Frames of hop_length samples."""
        ...


class VoiceFamily(Protocol):
    """Reference to embedding, tokens to plan, plan to waveform. A row never depends on its neighbours."""

    info: FamilyInfo

    def encode_reference(self, waveforms: Sequence[Tensor]) -> Tensor:
        """1-D waveforms at `info.reference_sample_rate` to [rows, embedding_size]."""
        ...

    def plan(
        self, tokens: Sequence[Sequence[int]], embeddings: Tensor, options: Sequence[SynthesisOptions]
    ) -> Sequence[Plan]:
        """Durations and latents of every row; embeddings are [rows, embedding_size]."""
        ...

    def decode(self, plans: Sequence[Plan]) -> list[Tensor]:
        """Plans, of one or several calls of `plan`, to 1-D waveforms of frames * hop_length samples."""
        ...


class FamilyLoader(Protocol):
    """What an entry point of `timbre.families` names."""

    def __call__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> VoiceFamily:
        """Loads the family's weights from a verified bundle folder."""
        ...
