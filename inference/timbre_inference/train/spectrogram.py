"""Spectrograms as training sees them: what the posterior encoder reads, and what the reconstruction is measured in."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F

N_MELS = 80


class Spectrograms(nn.Module):
    """Linear and mel spectrograms on one grid of frames: frame i covers samples i * hop .. (i + 1) * hop, centred."""

    window: Tensor
    mel_basis: Tensor

    def __init__(self, sample_rate: int, n_fft: int, hop_length: int) -> None:
        super().__init__()
        self.n_fft, self.hop_length, self.sample_rate = n_fft, hop_length, sample_rate
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        basis = torchaudio.functional.melscale_fbanks(
            n_fft // 2 + 1, 0.0, sample_rate / 2, N_MELS, sample_rate, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("mel_basis", basis.T.contiguous(), persistent=False)  # [mels, bins]

    def magnitude(self, waveforms: Tensor) -> Tensor:
        """[batch, frames * hop_length] to [batch, bins, frames]."""
        padding = (self.n_fft - self.hop_length) // 2
        padded = F.pad(waveforms.unsqueeze(1), (padding, padding), mode="reflect").squeeze(1)
        spectrum = torch.stft(
            padded, self.n_fft, self.hop_length, window=self.window, center=False, return_complex=True
        )
        return (spectrum.real**2 + spectrum.imag**2 + 1e-9).sqrt()

    def compressed(self, magnitude: Tensor) -> Tensor:
        """Log magnitudes of about unit range, as the posterior encoder reads them."""
        return (magnitude.clamp_min(1e-3).log() + 2.0) / 4.0

    def log_mel(self, magnitude: Tensor) -> Tensor:
        """[batch, bins, frames] to log mels [batch, mels, frames]."""
        return (self.mel_basis @ magnitude).clamp_min(1e-5).log()

    def audible_mels(self, original_rates: Tensor) -> Tensor:
        """1.0 for mel bins below each clip's own Nyquist frequency, 0.0 above: [batch] to [batch, mels, 1]."""
        bins = torch.linspace(0, self.sample_rate / 2, self.n_fft // 2 + 1)
        centres = (self.mel_basis * bins).sum(1) / self.mel_basis.sum(1)
        return (centres < original_rates.unsqueeze(1) * 0.475).float().unsqueeze(-1)
