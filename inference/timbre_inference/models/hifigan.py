"""HiFi-GAN generator (Kong et al., 2020): frames of any kind to a waveform.

The published shapes differ by their configuration alone: V1 and V2 use residual blocks of type 1, V3 and the
decoder of Piper's medium voices those of type 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAKY_SLOPE = 0.1
LAST_LEAKY_SLOPE = 0.01
"""The authors left the last activation at PyTorch's default; their checkpoints need it so."""


@dataclass(frozen=True, slots=True)
class HifiGanConfig:
    """Shape of a generator; `speaker_size` 0 leaves the speaker conditioning out."""

    in_channels: int = 192
    channels: int = 256
    upsample_rates: tuple[int, ...] = (8, 8, 4)
    upsample_kernels: tuple[int, ...] = (16, 16, 8)
    block_type: int = 2
    block_kernels: tuple[int, ...] = (3, 5, 7)
    block_dilations: tuple[tuple[int, ...], ...] = ((1, 2), (2, 6), (3, 12))
    speaker_size: int = 0
    last_bias: bool = False

    @property
    def hop_length(self) -> int:
        """Samples a frame becomes."""
        return prod(self.upsample_rates)

    @property
    def context_frames(self) -> int:
        """Frames on each side that a sample can hear: what a chunk needs around it to be exact."""
        rate, reach = 1, 3.0  # conv_pre sees 3 frames on each side
        for upsample, kernel in zip(self.upsample_rates, self.upsample_kernels, strict=True):
            reach += (kernel - upsample) / 2 / upsample / rate + 1 / rate
            rate *= upsample
            reach += max(map(self._block_reach, self.block_kernels, self.block_dilations)) / rate
        return int(reach + 3 / rate) + 1

    def _block_reach(self, kernel: int, dilations: tuple[int, ...]) -> int:
        once = sum((kernel - 1) // 2 * dilation for dilation in dilations)
        return once if self.block_type == 2 else once + (kernel - 1) // 2 * len(dilations)


def _masked(hidden: Tensor, mask: Tensor | None) -> Tensor:
    return hidden if mask is None else hidden * mask


class ResidualBlock1(nn.Module):
    """Pairs of a dilated and a plain convolution (V1, V2)."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(_same_conv(channels, kernel, dilation) for dilation in dilations)
        self.plain = nn.ModuleList(_same_conv(channels, kernel, 1) for _ in dilations)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """[batch, channels, length] to the same; `mask` is [batch, 1, length] or None where no row is padded."""
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            residual = _masked(dilated(F.leaky_relu(hidden, LEAKY_SLOPE)), mask)
            hidden = hidden + _masked(plain(F.leaky_relu(residual, LEAKY_SLOPE)), mask)
        return hidden


class ResidualBlock2(nn.Module):
    """Single dilated convolutions (V3)."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(_same_conv(channels, kernel, dilation) for dilation in dilations)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """[batch, channels, length] to the same; `mask` is [batch, 1, length] or None where no row is padded."""
        for dilated in self.dilated:
            hidden = hidden + _masked(dilated(F.leaky_relu(hidden, LEAKY_SLOPE)), mask)
        return hidden


def _same_conv(channels: int, kernel: int, dilation: int) -> nn.Conv1d:
    return nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=(kernel - 1) // 2 * dilation)


class HifiGan(nn.Module):
    """The generator: upsampling by transposed convolutions, each followed by a fusion of residual blocks."""

    def __init__(self, config: HifiGanConfig) -> None:
        super().__init__()
        self.config = config
        block = ResidualBlock1 if config.block_type == 1 else ResidualBlock2
        self.first = nn.Conv1d(config.in_channels, config.channels, 7, padding=3)
        self.speaker = nn.Linear(config.speaker_size, config.channels) if config.speaker_size else None
        self.upsamples = nn.ModuleList()
        self.fusions = nn.ModuleList()
        channels = config.channels
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernels, strict=True):
            self.upsamples.append(
                nn.ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2)
            )
            channels //= 2
            shapes = zip(config.block_kernels, config.block_dilations, strict=True)
            self.fusions.append(nn.ModuleList(block(channels, size, dilations) for size, dilations in shapes))
        self.last = nn.Conv1d(channels, 1, 7, padding=3, bias=config.last_bias)

    def forward(self, frames: Tensor, mask: Tensor | None = None, speaker: Tensor | None = None) -> Tensor:
        """Frames to samples.

        Shapes: frames [batch, in_channels, frames], mask [batch, 1, frames] (None: no row is padded),
        speaker [batch, speaker_size]; returns [batch, frames * hop_length] within -1..1.
        """
        hidden = self.first(_masked(frames, mask))  # [batch, channels, frames]
        if self.speaker is not None and speaker is not None:
            hidden = hidden + self.speaker(speaker).unsqueeze(-1)
        hidden = _masked(hidden, mask)
        stages = zip(self.config.upsample_rates, self.upsamples, self.fusions, strict=True)
        for rate, upsample, fusion in stages:
            mask = None if mask is None else mask.repeat_interleave(rate, dim=-1)
            hidden = _masked(upsample(F.leaky_relu(hidden, LEAKY_SLOPE)), mask)
            blocks = [block(hidden, mask) for block in fusion]  # type: ignore[attr-defined]  # a ModuleList of ModuleLists
            hidden = torch.stack(blocks).mean(dim=0)
        waveform = torch.tanh(self.last(F.leaky_relu(hidden, LAST_LEAKY_SLOPE)))
        return _masked(waveform, mask).squeeze(1)
