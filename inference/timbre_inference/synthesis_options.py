"""How one sentence is to be spoken. Without torch, so that requests can carry it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SynthesisOptions:
    """The row's own seed makes its sound independent of the batch it runs in."""

    seed: int
    speaking_rate: float = 1.0
    """Inverse of VITS's length_scale: 2.0 speaks twice as fast."""
    noise_scale: float = 0.667
    duration_noise_scale: float = 0.8
