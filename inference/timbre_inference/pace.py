"""How many frames a job will take, learned from those that were spoken: the true number is known too late."""

from __future__ import annotations

import math
from dataclasses import dataclass

MEMORY_TOKENS = 5_000.0
"""About five minutes of speech decide the estimate."""
PRIOR_TOKENS = 200.0
SLOWEST, FASTEST = 20.0, 0.2
"""Frames a token: bounds that one strange voice cannot push the estimate past."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Frames a token at speaking rate 1, over what was spoken lately."""

    total_tokens: float = PRIOR_TOKENS
    total_frames: float = PRIOR_TOKENS * 3.0

    @property
    def frames_per_token(self) -> float:
        """The present estimate."""
        return min(SLOWEST, max(FASTEST, self.total_frames / self.total_tokens))

    def frames(self, tokens: int, speaking_rate: float) -> int:
        """Of a job with so many tokens, at least 1."""
        return max(1, math.ceil(tokens * self.frames_per_token / speaking_rate))

    def after(self, tokens: int, speaking_rate: float, frames: int) -> Pace:
        """Having seen that a job took so many frames."""
        keep = min(1.0, MEMORY_TOKENS / (self.total_tokens + tokens))
        return Pace(
            (self.total_tokens + tokens) * keep,
            (self.total_frames + frames * speaking_rate) * keep,
        )
