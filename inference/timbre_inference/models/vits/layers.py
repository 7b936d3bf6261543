"""Layers that several parts of VITS share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of [batch, channels, length]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, hidden: Tensor) -> Tensor:
        """[batch, channels, length] to the same."""
        normed: Tensor = F.layer_norm(hidden.transpose(1, 2), (hidden.shape[1],), self.weight, self.bias)
        return normed.transpose(1, 2)


def zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """A layer that starts as nothing, so that a warm-started network speaks as before until it has learnt more."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class WaveNet(nn.Module):
    """Non-causal gated convolutions with residual and skip paths, conditioned on the speaker in every layer."""

    def __init__(self, hidden: int, kernel: int, layers: int, speaker_size: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.speaker = zero_linear(speaker_size, 2 * hidden * layers)
        self.gates = nn.ModuleList(nn.Conv1d(hidden, 2 * hidden, kernel, padding=kernel // 2) for _ in range(layers))
        # The last layer has nothing to pass on, only to give.
        self.residual_skips = nn.ModuleList(
            nn.Conv1d(hidden, 2 * hidden if layer < layers - 1 else hidden, 1) for layer in range(layers)
        )

    def forward(self, hidden: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """[batch, hidden, frames], its mask and speaker [batch, speaker_size] to [batch, hidden, frames]."""
        biases = self.speaker(speaker).unsqueeze(-1).chunk(len(self.gates), dim=1)
        skips: Tensor = torch.zeros_like(hidden)
        for gate, residual_skip, bias in zip(self.gates, self.residual_skips, biases, strict=True):
            content, opening = (gate(hidden) + bias).chunk(2, dim=1)
            both: Tensor = residual_skip(torch.tanh(content) * torch.sigmoid(opening))
            if both.shape[1] == self.hidden:
                return (skips + both) * mask
            hidden = (hidden + both[:, : self.hidden]) * mask
            skips = skips + both[:, self.hidden :]
        return skips * mask


class SeparableStack(nn.Module):
    """Dilated depth-separable convolutions (DDSConv), the body of the duration predictor."""

    def __init__(self, channels: int, kernel: int = 3, layers: int = 3) -> None:
        super().__init__()
        self.depthwise = nn.ModuleList(
            nn.Conv1d(
                channels, channels, kernel, groups=channels, dilation=kernel**i, padding=kernel**i * (kernel // 2)
            )
            for i in range(layers)
        )
        self.pointwise = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(layers))
        self.depth_norms = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))
        self.point_norms = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[batch, channels, length] and its mask to the same shape."""
        layers = zip(self.depthwise, self.pointwise, self.depth_norms, self.point_norms, strict=True)
        for depthwise, pointwise, depth_norm, point_norm in layers:
            update = F.gelu(depth_norm(depthwise(hidden * mask)))
            hidden = hidden + F.gelu(point_norm(pointwise(update)))
        return hidden * mask
