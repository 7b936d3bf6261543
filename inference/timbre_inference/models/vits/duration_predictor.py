"""Stochastic duration predictor: a flow from noise to the log duration of every token."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from timbre_inference.models.vits.config import VitsConfig
from timbre_inference.models.vits.layers import SeparableStack, zero_linear
from timbre_inference.models.vits.splines import spline


class Affine(nn.Module):
    """An affine step with one mean and scale a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2, 1))
        self.log_std = nn.Parameter(torch.zeros(2, 1))

    def inverse(self, values: Tensor, mask: Tensor) -> Tensor:
        """[batch, 2, tokens] to the same."""
        return (values - self.mean) * torch.exp(-self.log_std) * mask


class SplineCoupling(nn.Module):
    """Bends the second channel by a spline read from the first and from the text."""

    def __init__(self, config: VitsConfig) -> None:
        super().__init__()
        self.bins, self.scale = config.duration_bins, math.sqrt(config.hidden)
        self.enter = nn.Conv1d(1, config.hidden, 1)
        self.body = SeparableStack(config.hidden)
        self.project = nn.Conv1d(config.hidden, 3 * config.duration_bins - 1, 1)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)  # type: ignore[arg-type]  # a Conv1d made with a bias has one

    def inverse(self, values: Tensor, mask: Tensor, text: Tensor) -> Tensor:
        """Values [batch, 2, tokens], text [batch, hidden, tokens] to [batch, 2, tokens]."""
        kept, bent = values.chunk(2, dim=1)
        hidden = self.body(self.enter(kept) + text, mask)
        knots = (self.project(hidden) * mask).transpose(1, 2).unsqueeze(1)  # [batch, 1, tokens, 3 * bins - 1]
        widths, heights, slopes = knots.split([self.bins, self.bins, self.bins - 1], dim=-1)
        bent, _ = spline(bent, widths / self.scale, heights / self.scale, slopes, inverse=True)
        return torch.cat([kept, bent], dim=1) * mask


class DurationPredictor(nn.Module):
    """Text to log durations, by inverting the flow on two channels of noise."""

    def __init__(self, config: VitsConfig) -> None:
        super().__init__()
        self.enter = nn.Conv1d(config.hidden, config.hidden, 1)
        self.speaker = zero_linear(config.speaker_size, config.hidden)
        self.body = SeparableStack(config.hidden)
        self.project = nn.Conv1d(config.hidden, config.hidden, 1)
        self.affine = Affine()
        # VITS trains one coupling more than it samples with; it says of the first that it is of no use in sampling.
        self.couplings = nn.ModuleList(SplineCoupling(config) for _ in range(config.duration_flows - 1))

    def forward(self, hidden: Tensor, mask: Tensor, speaker: Tensor, noise: Tensor) -> Tensor:
        """Hidden [batch, hidden, tokens], noise [batch, 2, tokens] to log durations in frames [batch, tokens]."""
        text = self.enter(hidden) + self.speaker(speaker).unsqueeze(-1)
        text = self.project(self.body(text, mask)) * mask
        values = noise * mask
        for coupling in reversed(self.couplings):
            values = coupling.inverse(values.flip(1), mask, text)  # type: ignore[operator]  # ModuleList forgets its items' type
        return self.affine.inverse(values.flip(1), mask)[:, 0]
