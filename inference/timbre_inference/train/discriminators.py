"""HiFi-GAN's multi-period discriminator, in a width that two CPU cores can train."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm


@dataclass(frozen=True, slots=True)
class DiscriminatorConfig:
    """The paper's channels are (32, 128, 512, 1024, 1024): 41 M parameters; these are a fiftieth of it."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    channels: tuple[int, ...] = (16, 32, 64, 128)


class PeriodDiscriminator(nn.Module):
    """Looks at every `period`-th sample of a waveform, as columns of a picture."""

    def __init__(self, period: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.period = period
        widths = [1, *channels]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(inputs, outputs, (5, 1), (3, 1), padding=(2, 0)))
            for inputs, outputs in itertools.pairwise(widths)
        )
        self.last = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, waveforms: Tensor) -> list[Tensor]:
        """[batch, samples] to the features of each layer and, last, the scores."""
        columns = F.pad(waveforms, (0, -waveforms.shape[1] % self.period), mode="reflect")
        hidden = columns.view(columns.shape[0], 1, -1, self.period)
        features = []
        for layer in self.layers:
            hidden = F.leaky_relu(layer(hidden), 0.1)
            features.append(hidden)
        return [*features, self.last(hidden)]


class Discriminators(nn.Module):
    """One discriminator a period."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.parts = nn.ModuleList(PeriodDiscriminator(period, config.channels) for period in config.periods)

    def forward(self, waveforms: Tensor) -> list[list[Tensor]]:
        """[batch, samples] to the features of every part."""
        return [part(waveforms) for part in self.parts]


def discriminator_loss(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """Least squares: real to one, fake to zero."""
    terms = [(1 - r[-1]).square().mean() + f[-1].square().mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).mean()


def generator_loss(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """Least squares against one, plus twice the distance of the features (HiFi-GAN, equation 7)."""
    adversarial = torch.stack([(1 - f[-1]).square().mean() for f in fake]).mean()
    matching = [
        (a.detach() - b).abs().mean()
        for r, f in zip(real, fake, strict=True)
        for a, b in zip(r[:-1], f[:-1], strict=True)
    ]
    return adversarial + 2 * torch.stack(matching).mean()
