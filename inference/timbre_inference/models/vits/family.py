"""The built-in family: ECAPA-TDNN hears who speaks, VITS says it, HiFi-GAN makes it sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from timbre_inference.models.config_io import read_config
from timbre_inference.models.ecapa import EcapaConfig, SpeakerEncoder
from timbre_inference.models.family import FamilyInfo
from timbre_inference.models.masks import length_mask, pad_rows, row_lengths
from timbre_inference.models.vits.config import VitsConfig
from timbre_inference.models.vits.network import Vits, scale_speaker
from timbre_inference.models.weights import load_weights
from timbre_inference.synthesis_options import SynthesisOptions

MAX_FRAMES_PER_TOKEN = 100
"""No phoneme lasts longer than about 1.2 s: a runaway duration may not cost a batch its memory."""


@dataclass(frozen=True, slots=True, eq=False)
class VitsPlan:
    """Latents of one row, [latent, frames], and the conditioning they are decoded with, [speaker_size]."""

    latents: Tensor
    speaker: Tensor

    @property
    def frames(self) -> int:
        """Frames of hop_length samples."""
        return self.latents.shape[-1]


class VitsFamily:
    """Serves one VITS with its speaker encoder; not thread-safe: one thread owns the device."""

    def __init__(self, vits: Vits, encoder: SpeakerEncoder, info: FamilyInfo, device: torch.device) -> None:
        self.vits, self.encoder, self.info, self.device = vits, encoder, info, device

    @torch.inference_mode()
    def encode_reference(self, waveforms: Sequence[Tensor]) -> Tensor:
        """1-D waveforms at `info.reference_sample_rate` to unit-length embeddings [rows, embedding_size]."""
        return self.encoder.encode([waveform.to(self.device) for waveform in waveforms])

    @torch.inference_mode()
    def plan(
        self, tokens: Sequence[Sequence[int]], embeddings: Tensor, options: Sequence[SynthesisOptions]
    ) -> list[VitsPlan]:
        """Text to durations to latents, a batch at a time; embeddings [rows, embedding_size]."""
        randoms = [torch.Generator().manual_seed(option.seed) for option in options]
        dtype = self.vits.text_encoder.embedding.weight.dtype
        speakers = scale_speaker(embeddings.to(self.device, dtype))
        rows = [torch.tensor(row, device=self.device) for row in tokens]
        mask = length_mask(row_lengths(rows), max(map(len, rows))).to(dtype)
        hidden, mean, log_std = self.vits.text_encoder(pad_rows(rows), mask)
        noise = pad_rows(
            [
                torch.randn(2, len(row), generator=random) * option.duration_noise_scale
                for row, random, option in zip(rows, randoms, options, strict=True)
            ]
        ).to(self.device, dtype)
        log_durations = self.vits.duration_predictor(hidden, mask, speakers, noise)
        priors = [
            self._sample_prior(mean[i, :, :length], log_std[i, :, :length], log_durations[i, :length], option, random)
            for i, (length, option, random) in enumerate(zip(map(len, rows), options, randoms, strict=True))
        ]
        frames_mask = length_mask(row_lengths(priors), max(prior.shape[-1] for prior in priors)).to(dtype)
        latents = self.vits.flow.inverse(pad_rows(priors), frames_mask, speakers)
        vocoder_dtype = self.vits.vocoder.first.weight.dtype
        latents, speakers = latents.to(vocoder_dtype), speakers.to(vocoder_dtype)
        return [VitsPlan(latents[i, :, : prior.shape[-1]].clone(), speakers[i]) for i, prior in enumerate(priors)]

    @staticmethod
    def _sample_prior(
        mean: Tensor, log_std: Tensor, log_durations: Tensor, options: SynthesisOptions, random: torch.Generator
    ) -> Tensor:
        """One row's prior stretched over its frames, with its own noise: [latent, frames]."""
        durations = (log_durations.double().exp() / options.speaking_rate).ceil()
        durations = durations.nan_to_num(nan=1.0).clamp(0, MAX_FRAMES_PER_TOKEN).long()
        if int(durations.sum()) == 0:
            durations[0] = 1
        mean, log_std = mean.repeat_interleave(durations, dim=1), log_std.repeat_interleave(durations, dim=1)
        noise = torch.randn(mean.shape, generator=random).to(mean.device, mean.dtype)
        return mean + noise * log_std.exp() * options.noise_scale

    @torch.inference_mode()
    def decode(self, plans: Sequence[VitsPlan]) -> list[Tensor]:
        """Plans to 1-D float32 waveforms of frames * hop_length samples."""
        rows = [plan.latents for plan in plans]
        lengths = row_lengths(rows)
        longest = int(lengths.max())
        padded = bool((lengths != longest).any())
        mask = length_mask(lengths, longest).to(rows[0].dtype) if padded else None
        waveforms = self.vits.vocoder(pad_rows(rows), mask, torch.stack([plan.speaker for plan in plans]))
        hop = self.info.hop_length
        return [waveforms[i, : plan.frames * hop].float() for i, plan in enumerate(plans)]


def load_vits_family(folder: Path, device: torch.device, dtype: torch.dtype) -> VitsFamily:
    """Loads `vits.json`, `vits.safetensors`, `ecapa.json` and `ecapa.safetensors` of a bundle."""
    config = read_config(VitsConfig, folder / "vits.json")
    encoder_config = read_config(EcapaConfig, folder / "ecapa.json")
    # Not on the "meta" device: initialising there imports all of torch._dynamo, three seconds to save a tenth of one.
    vits, encoder = Vits(config), SpeakerEncoder(encoder_config)
    load_weights(vits, folder / "vits.safetensors", device, dtype)
    if device.type == "cpu" and dtype == torch.float32:
        # The last bits of single precision depend on a batch's shape. Durations are rounded up to whole frames, and the
        # flow amplifies: both could make a row sound different in other company by more than 1e-5.
        for part in (vits.text_encoder, vits.duration_predictor, vits.flow):
            part.double()
    # Embeddings are compared and stored: they stay in full precision whatever the voice runs in.
    load_weights(encoder.network, folder / "ecapa.safetensors", device, torch.float32)
    encoder.to(device).eval()
    info = FamilyInfo(
        sample_rate=config.sample_rate,
        hop_length=config.hop_length,
        languages=("en",),
        embedding_size=encoder_config.embedding_size,
        encoder_id=encoder_config.encoder_id,
        reference_sample_rate=encoder_config.sample_rate,
        context_frames=config.vocoder.context_frames,
    )
    return VitsFamily(vits, encoder, info, device)
