"""ECAPA-TDNN speaker encoder (Desplanques et al., 2020), on SpeechBrain's layers.

The layout and the features are those of SpeechBrain's published recipes, so a checkpoint of theirs loads unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class EcapaConfig:
    """The published network has 1024 channels; a third of that is enough for a few thousand speakers."""

    sample_rate: int = 16000
    n_mels: int = 80
    channels: int = 256
    attention_channels: int = 64
    embedding_size: int = 192
    encoder_id: str = "ecapa"
    """Embeddings of different encoders must not be mixed: this name tells them apart."""


class SpeakerEncoder(nn.Module):
    """Reference audio to a unit-length speaker embedding."""

    def __init__(self, config: EcapaConfig) -> None:
        super().__init__()
        self.config = config
        self.features = Fbank(sample_rate=config.sample_rate, n_mels=config.n_mels)
        wide = config.channels * 3
        self.network = ECAPA_TDNN(
            input_size=config.n_mels,
            lin_neurons=config.embedding_size,
            channels=[config.channels] * 4 + [wide],
            attention_channels=config.attention_channels,
        )

    def spectrogram(self, waveforms: Tensor) -> Tensor:
        """Log-mel features without their mean over time: [batch, samples] to [batch, frames, mels]."""
        mels: Tensor = self.features(waveforms)
        return mels - mels.mean(dim=1, keepdim=True)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Equally long clips, [batch, samples] at `config.sample_rate`, to [batch, embedding_size] of length one."""
        embedding: Tensor = self.network(self.spectrogram(waveforms)).squeeze(1)
        return nn.functional.normalize(embedding, dim=-1)

    def encode(self, waveforms: Sequence[Tensor]) -> Tensor:
        """Clips of any lengths, each on its own: the network pads by reflection, so a padded batch would differ."""
        return torch.cat([self(waveform.unsqueeze(0)) for waveform in waveforms])
