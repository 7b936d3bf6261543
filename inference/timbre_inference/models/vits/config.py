"""Shape of a VITS (Kim et al., 2021) with a speaker embedding where the paper has a speaker table."""

from __future__ import annotations

from dataclasses import dataclass, field

from timbre_inference.models.hifigan import HifiGanConfig


@dataclass(frozen=True, slots=True)
class VitsConfig:
    """The defaults are those of Piper's medium voices."""

    sample_rate: int = 22050
    symbols: int = 256
    hidden: int = 192
    latent: int = 192
    feed_forward: int = 768
    heads: int = 2
    text_layers: int = 6
    text_kernel: int = 3
    attention_window: int = 4
    flow_couplings: int = 4
    flow_layers: int = 4
    wavenet_kernel: int = 5
    posterior_layers: int = 8
    """The paper has 16; half of it hears 32 frames, and is trained in half the time."""
    duration_flows: int = 4
    duration_bins: int = 10
    speaker_size: int = 192
    n_fft: int = 1024
    vocoder: HifiGanConfig = field(default_factory=lambda: HifiGanConfig(speaker_size=192))

    @property
    def hop_length(self) -> int:
        """Samples a frame becomes."""
        return self.vocoder.hop_length
