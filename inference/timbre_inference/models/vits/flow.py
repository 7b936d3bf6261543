"""The normalising flow between what is said (prior) and how this person's voice says it (latents)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from timbre_inference.models.vits.config import VitsConfig
from timbre_inference.models.vits.layers import WaveNet


class MeanCoupling(nn.Module):
    """Shifts one half of the channels by what a WaveNet reads in the other half; volume preserving."""

    def __init__(self, config: VitsConfig) -> None:
        super().__init__()
        half = config.latent // 2
        self.enter = nn.Conv1d(half, config.hidden, 1)
        self.wavenet = WaveNet(config.hidden, config.wavenet_kernel, config.flow_layers, config.speaker_size)
        self.leave = nn.Conv1d(config.hidden, half, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]  # a Conv1d made with a bias has one

    def shift(self, kept: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """What to add to the other half: [batch, half, frames]."""
        shifted: Tensor = self.leave(self.wavenet(self.enter(kept) * mask, mask, speaker))
        return shifted * mask

    def forward(self, latents: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """From a voice towards the prior: [batch, latent, frames] to the same."""
        kept, moved = latents.chunk(2, dim=1)
        return torch.cat([kept, moved * mask + self.shift(kept, mask, speaker)], dim=1)

    def inverse(self, latents: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """From the prior towards a voice."""
        kept, moved = latents.chunk(2, dim=1)
        return torch.cat([kept, (moved - self.shift(kept, mask, speaker)) * mask], dim=1)


class Flow(nn.Module):
    """Couplings with the channels turned round after each, so that every channel is moved and read."""

    def __init__(self, config: VitsConfig) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(MeanCoupling(config) for _ in range(config.flow_couplings))

    def forward(self, latents: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """Latents of a voice to the speaker-free space of the prior: [batch, latent, frames] to the same."""
        for coupling in self.couplings:
            latents = coupling(latents, mask, speaker).flip(1)
        return latents

    def inverse(self, latents: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """A sample of the prior to latents of this voice."""
        for coupling in reversed(self.couplings):
            latents = coupling.inverse(latents.flip(1), mask, speaker)  # type: ignore[operator]  # ModuleList forgets its items' type
        return latents
