"""Masks that make a padded batch sound exactly like its rows alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def length_mask(lengths: Tensor, longest: int) -> Tensor:
    """1.0 where a row has data: [batch] to [batch, 1, longest]."""
    positions = torch.arange(longest, device=lengths.device)
    return (positions < lengths.unsqueeze(1)).unsqueeze(1).float()


def pad_rows(rows: Sequence[Tensor]) -> Tensor:
    """Stacks rows [..., length] of differing lengths, zeros to the right: [batch, ..., longest]."""
    longest = max(row.shape[-1] for row in rows)
    padded = rows[0].new_zeros(len(rows), *rows[0].shape[:-1], longest)
    for index, row in enumerate(rows):
        padded[index, ..., : row.shape[-1]] = row
    return padded


def row_lengths(rows: Sequence[Tensor]) -> Tensor:
    """The rows' lengths as a tensor on their device: [batch]."""
    return torch.tensor([row.shape[-1] for row in rows], device=rows[0].device)
