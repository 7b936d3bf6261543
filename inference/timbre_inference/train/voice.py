"""Trains the voice: VITS (Kim et al., 2021) on a network that already speaks, with any speaker's embedding.

The text encoder stays as it came: its prior is the common, speaker-free ground that the flow learns to map every
voice to. Learnt are the posterior encoder (from nothing), the vocoder, the flow and all conditioning, in three phases:

1. bootstrap: the posterior encoder hears the warm-start voice and finds the latents it was spoken from;
2. autoencoding: posterior encoder, then the vocoder with it, learn to repeat anybody, from short windows, without text;
3. both in turn, autoencoding and flow: the flow learns what text and speaker say of the latents.

The paper trains all at once. Here the divergence would win: the posterior encoder starts from nothing beside a prior
that is finished, and saying nothing is the cheapest way to agree with it. So the flow sees latents without gradient.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from monotonic_alignment_search import maximum_path
from torch import Tensor, nn

from timbre_inference.models.masks import length_mask
from timbre_inference.models.vits.network import TrainableVits, scale_speaker
from timbre_inference.train.checkpoint import Stateful, load_checkpoint, save_checkpoint
from timbre_inference.train.discriminators import (
    DiscriminatorConfig,
    Discriminators,
    discriminator_loss,
    generator_loss,
)
from timbre_inference.train.spectrogram import Spectrograms
from timbre_inference.train.teacher import TeacherBatch, TeacherSampler
from timbre_inference.train.voice_data import VoiceBatch, VoiceSampler, WindowBatch


@dataclass(frozen=True, slots=True)
class VoiceTrainingConfig:
    """A run; the defaults fit two CPU cores."""

    steps: int = 12000
    batch_size: int = 8
    windows: int = 16
    """Windows of speech in an autoencoding step."""
    segment_frames: int = 32
    context_frames: int = 32
    """What the posterior encoder hears on either side of a segment."""
    latent_noise: float = 0.15
    """Deviation of the latents that the vocoder learns from: the flow will never hit them exactly."""
    bootstrap_steps: int = 1500
    vocoder_from: int = 2500
    """Until here the vocoder stays as it came: latents that say too little would teach it to hum at the frame rate."""
    autoencode_until: int = 4000
    teacher_every: int = 8
    """After the bootstrap one step in so many still hears the warm-start voice, so that it is not forgotten."""
    adversarial_from: int = 2500
    discriminator_warm_up: int = 100
    """Steps in which the discriminators learn before the vocoder listens to them."""
    fresh_learning_rate: float = 1e-3
    warm_learning_rate: float = 2e-4
    conditioning_learning_rate: float = 2e-3
    final_share: float = 0.1
    mel_weight: float = 45.0
    adversarial_weight: float = 1.0
    average_decay: float = 0.995
    checkpoint_every: int = 100
    seed: int = 1
    discriminators: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)


class VoiceTrainer:
    """The networks, optimisers and data of one run; `run` goes on from the newest checkpoint."""

    def __init__(
        self,
        network: TrainableVits,
        config: VoiceTrainingConfig,
        sampler: VoiceSampler,
        teacher: TeacherSampler,
        output: Path,
    ) -> None:
        self.network, self.config, self.sampler, self.teacher, self.output = network, config, sampler, teacher, output
        shape = network.config
        self.spectrograms = Spectrograms(shape.sample_rate, shape.n_fft, shape.hop_length)
        self.discriminators = Discriminators(config.discriminators)
        network.text_encoder.requires_grad_(False)
        network.duration_predictor.requires_grad_(False)
        rates = {
            "conditioning": config.conditioning_learning_rate,
            "fresh": config.fresh_learning_rate,
            "warm": config.warm_learning_rate,
        }
        named = [(_kind(name), parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.AdamW(
            [{"params": [p for kind, p in named if kind == wanted], "lr": rate} for wanted, rate in rates.items()],
            betas=(0.8, 0.99),
        )
        self.discriminator_optimiser = torch.optim.AdamW(self.discriminators.parameters(), 3e-4, betas=(0.8, 0.99))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate_share)
        self.average = torch.optim.swa_utils.AveragedModel(network, avg_fn=partial(_decay, config.average_decay))
        self.parts: dict[str, Stateful] = {
            "network": network, "average": self.average, "discriminators": self.discriminators,
            "optimiser": self.optimiser, "discriminator_optimiser": self.discriminator_optimiser,
            "schedule": self.schedule,
        }  # fmt: skip

    def run(self) -> Iterator[tuple[int, float, dict[str, float]]]:
        """Yields the step, seconds since the start and the losses of every step."""
        began = time.monotonic()
        for step in range(load_checkpoint(self.output / "last.pt", self.parts), self.config.steps):
            torch.manual_seed(self.config.seed * 1_000_003 + step)  # the same noise for a resumed run
            losses = self._phase(step)
            self.schedule.step()
            self.average.update_parameters(self.network)
            if (step + 1) % self.config.checkpoint_every == 0 or step + 1 == self.config.steps:
                save_checkpoint(self.output / "last.pt", self.parts, step + 1)
            yield step, time.monotonic() - began, losses

    def _phase(self, step: int) -> dict[str, float]:
        config = self.config
        self.network.vocoder.requires_grad_(step >= config.vocoder_from)
        if step < config.bootstrap_steps or (step < config.autoencode_until and step % config.teacher_every == 0):
            return self._teacher_step(self.teacher.batch(step))
        if step < config.autoencode_until or step % 2 == 1:
            return self._autoencoding_step(self.sampler.windows(step, config), step)
        if step % config.teacher_every == 0:
            return self._teacher_flow_step(self.teacher.batch(step))
        return self._flow_step(self.sampler.batch(step))

    # Every step leaves the parts that it does not teach without gradients, not with zeros or rounding errors: Adam
    # would make full steps of them.

    def _teacher_step(self, batch: TeacherBatch) -> dict[str, float]:
        teacher = self._teacher_loss(batch)
        self._update(teacher * batch.latents.shape[1])
        return {"teacher": teacher.item()}

    def _teacher_flow_step(self, batch: TeacherBatch) -> dict[str, float]:
        """The flow must go on bringing the warm-start voice to where its text is."""
        mask = length_mask(batch.frames, batch.latents.shape[-1])
        prior_side = self.network.flow(batch.latents, mask, scale_speaker(batch.speakers))
        drift = ((prior_side - batch.prior_side) ** 2 * mask).sum() / mask.sum() / mask.shape[1]
        self._update(drift)
        return {"drift": drift.item() / batch.latents.shape[1]}

    def _teacher_loss(self, batch: TeacherBatch) -> Tensor:
        """Latents that the warm-start voice was spoken from are what its recording should be encoded to."""
        mask = length_mask(batch.frames, batch.latents.shape[-1])
        spectrogram = self.spectrograms.compressed(self.spectrograms.magnitude(batch.waveforms))
        mean, log_std = self.network.posterior_encoder(spectrogram, mask, scale_speaker(batch.speakers))
        likelihood = (log_std + 0.5 * (batch.latents - mean) ** 2 * torch.exp(-2 * log_std)) * mask
        mean_likelihood: Tensor = likelihood.sum() / mask.sum() / batch.latents.shape[1]
        return mean_likelihood

    def _autoencoding_step(self, batch: WindowBatch, step: int) -> dict[str, float]:
        """Repeat the middle of a window."""
        speakers = scale_speaker(batch.speakers)
        mean, _ = self._posterior(batch.waveforms, None, speakers)
        context, hop = self.config.context_frames, self.spectrograms.hop_length
        middle = slice(context, context + self.config.segment_frames)
        latents = mean[..., middle] + torch.randn_like(mean[..., middle]) * self.config.latent_noise
        spoken = self.network.vocoder(latents, None, speakers)
        real = batch.waveforms[:, middle.start * hop : middle.stop * hop]
        mel = self._mel_distance(spoken, real, batch.original_rates)
        losses = {"mel": mel.item()}
        loss = self.config.mel_weight * mel
        if step >= self.config.adversarial_from:
            loss = loss + self.config.adversarial_weight * self._adversarial(
                spoken, real, batch.original_rates, step, losses
            )
        self._update(loss)
        return losses

    def _posterior(self, waveforms: Tensor, mask: Tensor | None, speakers: Tensor) -> tuple[Tensor, Tensor]:
        spectrogram = self.spectrograms.compressed(self.spectrograms.magnitude(waveforms))
        if mask is None:
            mask = torch.ones_like(spectrogram[:, :1])
        mean, log_std = self.network.posterior_encoder(spectrogram, mask, speakers)
        return mean, log_std

    def _flow_step(self, batch: VoiceBatch) -> dict[str, float]:
        """What text and speaker say of the latents: their likelihood, aligned by monotonic search; nats a channel."""
        mask = length_mask(batch.frames, batch.waveforms.shape[1] // self.spectrograms.hop_length)
        token_mask = length_mask(batch.token_lengths, batch.tokens.shape[1])
        speakers = scale_speaker(batch.speakers)
        with torch.no_grad():
            mean, _ = self._posterior(batch.waveforms, mask, speakers)
            latents = (mean + torch.randn_like(mean) * self.config.latent_noise) * mask
            _, prior_mean, prior_log_std = self.network.text_encoder(batch.tokens, token_mask)
        prior_side = self.network.flow(latents, mask, speakers)
        with torch.no_grad():
            path = align(prior_side, prior_mean, prior_log_std, token_mask, mask)  # [batch, tokens, frames]
            prior_mean, prior_log_std = prior_mean @ path, prior_log_std @ path
        surprise = prior_log_std + 0.5 * (prior_side - prior_mean) ** 2 * torch.exp(-2 * prior_log_std)
        loss = (surprise * mask).sum() / mask.sum()
        self._update(loss)
        return {"flow": loss.item() / mean.shape[1]}

    def _adversarial(
        self, spoken: Tensor, real: Tensor, original_rates: Tensor, step: int, losses: dict[str, float]
    ) -> Tensor:
        # A clip that was recorded at 16 kHz would teach the discriminators that real speech has no top band.
        wide = original_rates >= self.spectrograms.sample_rate
        if not bool(wide.any()):
            return spoken.new_zeros(())
        spoken, real = spoken[wide], real[wide]
        judged = discriminator_loss(self.discriminators(real), self.discriminators(spoken.detach()))
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        judged.backward()  # type: ignore[no-untyped-call]
        self.discriminator_optimiser.step()
        losses["discriminator"] = judged.item()
        if step < self.config.adversarial_from + self.config.discriminator_warm_up:
            return spoken.new_zeros(())
        with torch.no_grad():
            real_features = self.discriminators(real)
        fooled = generator_loss(real_features, self.discriminators(spoken))
        losses["generator"] = fooled.item()
        return fooled * len(spoken) / len(original_rates)

    def _mel_distance(self, spoken: Tensor, real: Tensor, original_rates: Tensor) -> Tensor:
        audible = self.spectrograms.audible_mels(original_rates)
        distance = self.spectrograms.log_mel(self.spectrograms.magnitude(spoken)) - self.spectrograms.log_mel(
            self.spectrograms.magnitude(real)
        )
        return (distance.abs() * audible).sum() / (audible.sum() * distance.shape[-1])

    def _update(self, loss: Tensor) -> None:
        if not torch.isfinite(loss):
            raise TrainingDivergedError(f"the loss became {loss.item()}; the last checkpoint is kept")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 20.0)
        self.optimiser.step()

    def _rate_share(self, step: int) -> float:
        progress = min(1.0, step / self.config.steps)
        decay = self.config.final_share + (1 - self.config.final_share) * (1 - progress)
        return min(1.0, (step + 1) / 50) * decay


class TrainingDivergedError(RuntimeError):
    """The loss is no longer a number."""


def align(latents: Tensor, prior_mean: Tensor, prior_log_std: Tensor, token_mask: Tensor, mask: Tensor) -> Tensor:
    """The monotonic path of highest likelihood between tokens and frames: [batch, tokens, frames] of 0 and 1."""
    precision = torch.exp(-2 * prior_log_std)  # [batch, latent, tokens]
    constant = (-prior_log_std - 0.5 * prior_mean**2 * precision).sum(1).unsqueeze(-1)
    likelihood = (
        constant + precision.transpose(1, 2) @ (-0.5 * latents**2) + (prior_mean * precision).transpose(1, 2) @ latents
    )
    pair_mask = token_mask.transpose(1, 2) * mask
    path: Tensor = maximum_path(likelihood * pair_mask, pair_mask)
    return path.to(latents.dtype)


def _decay(share: float, average: Tensor, current: Tensor, _: Tensor | int) -> Tensor:
    return average.lerp(current, 1 - share)


def _kind(name: str) -> str:
    if ".speaker." in name:
        return "conditioning"
    return "fresh" if name.startswith("posterior_encoder.") else "warm"
