"""Monotonic rational-quadratic splines with linear tails (Durkan et al., 2019)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

MIN_BIN = 1e-3
MIN_SLOPE = 1e-3
TAIL = 5.0
"""Outside -TAIL..TAIL the spline is the identity."""


def spline(inputs: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
    """Bends `inputs` by unnormalised knots; returns the outputs and the log of the slope there.

    Shapes: inputs [...], widths and heights [..., bins], slopes [..., bins - 1].
    """
    inside = inputs.abs() <= TAIL
    clamped = inputs.clamp(-TAIL, TAIL)
    left, width = _knots(widths)
    bottom, height = _knots(heights)
    # The outer slopes are 1 so that the spline meets its tails smoothly.
    outer = math.log(math.expm1(1 - MIN_SLOPE))
    slope = MIN_SLOPE + F.softplus(F.pad(slopes, (1, 1), value=outer))  # [..., bins + 1]
    edges = bottom if inverse else left
    index = ((clamped.unsqueeze(-1) >= edges).sum(-1, keepdim=True) - 1).clamp(0, widths.shape[-1] - 1)
    x0, dx, y0, dy = (values.gather(-1, index).squeeze(-1) for values in (left, width, bottom, height))
    d0, d1 = slope.gather(-1, index).squeeze(-1), slope.gather(-1, index + 1).squeeze(-1)
    chord = dy / dx
    bend = d0 + d1 - 2 * chord
    if inverse:
        rise = clamped - y0
        a = rise * bend + dy * (chord - d0)
        b = dy * d0 - rise * bend
        c = -chord * rise
        # The numerically stable root of a * share^2 + b * share + c.
        share = 2 * c / (-b - (b * b - 4 * a * c).clamp_min(0).sqrt())
        outputs = share * dx + x0
    else:
        share = (clamped - x0) / dx
        outputs = y0 + dy * (chord * share**2 + d0 * share * (1 - share)) / (chord + bend * share * (1 - share))
    denominator = chord + bend * share * (1 - share)
    steepness = chord**2 * (d1 * share**2 + 2 * chord * share * (1 - share) + d0 * (1 - share) ** 2)
    log_slope = steepness.log() - 2 * denominator.log()
    log_slope = -log_slope if inverse else log_slope
    return torch.where(inside, outputs, inputs), torch.where(inside, log_slope, torch.zeros_like(log_slope))


def _knots(unnormalised: Tensor) -> tuple[Tensor, Tensor]:
    """Left edges and sizes of the bins between -TAIL and TAIL: both [..., bins]."""
    bins = unnormalised.shape[-1]
    shares = MIN_BIN + (1 - MIN_BIN * bins) * unnormalised.softmax(dim=-1)
    edges = F.pad(shares.cumsum(dim=-1), (1, 0)) * 2 * TAIL - TAIL
    edges = torch.cat([edges[..., :-1], torch.full_like(edges[..., -1:], TAIL)], dim=-1)
    return edges[..., :-1], edges[..., 1:] - edges[..., :-1]
