"""What waits in the queue: one sentence, ready for the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from timbre_inference.synthesis_options import SynthesisOptions

Waveform = npt.NDArray[np.float32]
"""Samples in -1..1 at the model's rate, one dimension."""


@dataclass(frozen=True, slots=True, eq=False)
class SynthesisJob:
    """One sentence, in tokens, with the voice to speak it in."""

    tokens: tuple[int, ...]
    embedding: npt.NDArray[np.float32]
    """[embedding_size]"""
    options: SynthesisOptions
    deadline: float
    """On `time.monotonic()`'s clock; past it the job is dropped wherever it is."""
