"""Posterior encoder: a recording's spectrogram to the latents that the vocoder can turn back into it."""

from __future__ import annotations

from torch import Tensor, nn

from timbre_inference.models.vits.config import VitsConfig
from timbre_inference.models.vits.layers import WaveNet


class PosteriorEncoder(nn.Module):
    """Used in training alone."""

    def __init__(self, config: VitsConfig) -> None:
        super().__init__()
        self.enter = nn.Conv1d(config.n_fft // 2 + 1, config.hidden, 1)
        self.wavenet = WaveNet(config.hidden, config.wavenet_kernel, config.posterior_layers, config.speaker_size)
        self.project = nn.Conv1d(config.hidden, 2 * config.latent, 1)

    def forward(self, spectrogram: Tensor, mask: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrogram [batch, bins, frames] to the latents' mean and log standard deviation [batch, latent, frames]."""
        hidden = self.wavenet(self.enter(spectrogram) * mask, mask, speaker)
        mean, log_std = (self.project(hidden) * mask).chunk(2, dim=1)
        return mean, log_std
