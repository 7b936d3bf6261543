"""A second model family: exact, instant, and able to fail on purpose. Its sound is a ramp of the row's seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from timbre_inference.models.family import FamilyInfo, Plan
from timbre_inference.synthesis_options import SynthesisOptions

BROKEN_TOKEN, SILENT_NAN_TOKEN, LONG_TOKEN = 900, 901, 902
"""Tokens that make planning raise, decoding give NaN, and durations explode."""

INFO = FamilyInfo(
    sample_rate=1000,
    hop_length=10,
    languages=("en",),
    embedding_size=4,
    encoder_id="counting",
    reference_sample_rate=1000,
    context_frames=0,
)


@dataclass(frozen=True, eq=False)
class CountedPlan:
    """Frames are three a token."""

    frames: int
    seed: int
    tokens: tuple[int, ...]


@dataclass
class CountingFamily:
    """Notes every call; `room` is how many padded frames its memory holds."""

    room: int = 10**9
    info: FamilyInfo = INFO
    planned: list[int] = field(default_factory=list)
    decoded: list[list[int]] = field(default_factory=list)

    def encode_reference(self, waveforms: Sequence[Tensor]) -> Tensor:
        """The mean, four times."""
        return torch.stack([waveform.mean().expand(4) for waveform in waveforms])

    def plan(
        self, tokens: Sequence[Sequence[int]], embeddings: Tensor, options: Sequence[SynthesisOptions]
    ) -> list[CountedPlan]:
        """Raises for the whole batch when one row is broken, as real kernels do."""
        self.planned.append(len(tokens))
        assert embeddings.shape == (len(tokens), 4)
        if any(BROKEN_TOKEN in row for row in tokens):
            raise ValueError("index out of range in self")
        return [
            CountedPlan(_frames(row, option), option.seed, tuple(row))
            for row, option in zip(tokens, options, strict=True)
        ]

    def decode(self, plans: Sequence[Plan]) -> list[Tensor]:
        """Raises OutOfMemoryError when the padded batch is larger than the room."""
        counted = [plan for plan in plans if isinstance(plan, CountedPlan)]
        self.decoded.append([plan.frames for plan in counted])
        if len(counted) * max(plan.frames for plan in counted) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 EiB")
        return [_sound(plan) for plan in counted]


def _frames(tokens: Sequence[int], option: SynthesisOptions) -> int:
    each = 3000 if LONG_TOKEN in tokens else 3
    return max(1, round(each * len(tokens) / option.speaking_rate))


def _sound(plan: CountedPlan) -> Tensor:
    samples = torch.full((plan.frames * INFO.hop_length,), plan.seed / 1000)
    if SILENT_NAN_TOKEN in plan.tokens:
        samples[0] = torch.nan
    return samples
