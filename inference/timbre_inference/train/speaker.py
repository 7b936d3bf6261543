"""Trains the speaker encoder: additive angular margin over every speaker of a corpus (Deng et al., 2019)."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from timbre_inference.models.config_io import read_config, write_config
from timbre_inference.models.ecapa import EcapaConfig, SpeakerEncoder
from timbre_inference.train.checkpoint import Stateful, load_checkpoint, save_checkpoint
from timbre_inference.train.prepare import ENCODER_RATE, Clip, Corpus


@dataclass(frozen=True, slots=True)
class SpeakerTrainingConfig:
    """A run of the speaker encoder; every default fits two CPU cores."""

    model: EcapaConfig = field(default_factory=EcapaConfig)
    steps: int = 900
    batch_size: int = 56
    crop_seconds: float = 1.6
    peak_learning_rate: float = 3e-3
    weight_decay: float = 2e-5
    margin: float = 0.2
    scale: float = 30.0
    noise_probability: float = 0.5
    checkpoint_every: int = 100
    seed: int = 1


class AngularMargin(nn.Module):
    """Cosine classifier whose true class must win by `margin` radians."""

    def __init__(self, embedding_size: int, speakers: int, margin: float, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(speakers, embedding_size))
        nn.init.xavier_uniform_(self.weight)
        self.margin, self.scale = margin, scale

    def forward(self, embeddings: Tensor, speakers: Tensor, margin_share: float) -> Tensor:
        """Mean cross entropy; `margin_share` (0 to 1) lets the margin grow during warm-up."""
        cosine = embeddings @ nn.functional.normalize(self.weight, dim=-1).T  # [batch, speakers]
        angle = torch.arccos(cosine.clamp(-1 + 1e-6, 1 - 1e-6))
        target = nn.functional.one_hot(speakers, cosine.shape[1])
        logits = self.scale * torch.cos(angle + self.margin * margin_share * target)
        return nn.functional.cross_entropy(logits, speakers)


class CropSampler:
    """Random crops, speakers evenly: a speaker with one clip is heard as often as one with a thousand."""

    def __init__(self, corpus: Corpus, clips: list[Clip], config: SpeakerTrainingConfig) -> None:
        self.corpus, self.config = corpus, config
        self.by_speaker: dict[str, list[Clip]] = {}
        for clip in clips:
            self.by_speaker.setdefault(clip.speaker, []).append(clip)
        self.speakers = sorted(self.by_speaker)
        # Speakers with more material say more about how a voice varies; the square root is between even and all.
        counts = np.sqrt([len(self.by_speaker[speaker]) for speaker in self.speakers])
        counts = np.minimum(counts, 6.0)
        self.weights = counts / counts.sum()

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The crops of one step, [batch, samples], and their speakers' indices; the same for the same seed and step."""
        random = np.random.default_rng((self.config.seed, step))
        indices = random.choice(len(self.speakers), self.config.batch_size, replace=False, p=self.weights)
        crops = [self._crop(self.by_speaker[self.speakers[index]], random) for index in indices]
        return torch.from_numpy(np.stack(crops)), torch.from_numpy(indices)

    def _crop(self, clips: list[Clip], random: np.random.Generator) -> npt.NDArray[np.float32]:
        clip = clips[random.integers(len(clips))]
        waveform = self.corpus.encoder_audio(clip)
        samples = int(self.config.crop_seconds * ENCODER_RATE)
        if len(waveform) < samples:
            waveform = np.tile(waveform, math.ceil(samples / len(waveform)))
        start = random.integers(len(waveform) - samples + 1)
        crop = waveform[start : start + samples]
        if random.random() < self.config.noise_probability:
            crop = _add_noise(crop, random)
        return np.asarray(crop * 10 ** random.uniform(-0.3, 0.2), dtype=np.float32)


def _add_noise(crop: npt.NDArray[np.float32], random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Noise between white and brown, at 8 to 25 dB below the speech, and a random tilt as another microphone's."""
    spectrum = np.fft.rfft(random.standard_normal(len(crop)))
    slope = np.arange(1, len(spectrum) + 1) ** -random.uniform(0.0, 1.0)
    noise = np.fft.irfft(spectrum * slope, len(crop))
    noise *= np.std(crop) / (np.std(noise) + 1e-9) * 10 ** (-random.uniform(8, 25) / 20)
    tilt = random.uniform(-0.5, 0.5)
    coloured = crop + tilt * np.concatenate([[0.0], crop[:-1]])
    return np.asarray(coloured + noise, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class SpeakerProgress:
    """Where training stands: the step, a running loss and accuracy proxy, and seconds a step."""

    step: int
    loss: float
    seconds_per_step: float


def train_speaker_encoder(corpus: Corpus, config: SpeakerTrainingConfig, output: Path) -> Iterator[SpeakerProgress]:
    """Trains to `config.steps`, from the newest checkpoint in `output` if there is one; yields every tenth step."""
    torch.manual_seed(config.seed)
    sampler = CropSampler(corpus, [clip for clip in corpus.clips if clip.split == "train"], config)
    encoder = SpeakerEncoder(config.model)
    head = AngularMargin(config.model.embedding_size, len(sampler.speakers), config.margin, config.scale)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, config.peak_learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.peak_learning_rate, config.steps, pct_start=0.15)
    parts: dict[str, Stateful] = {"encoder": encoder, "head": head, "optimiser": optimiser, "schedule": schedule}
    start = load_checkpoint(output / "last.pt", parts)
    running, began = 0.0, time.monotonic()
    for step in range(start, config.steps):
        crops, speakers = sampler.batch(step)
        loss = head(encoder(crops), speakers, min(1.0, step / (0.3 * config.steps)))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        schedule.step()
        running = loss.item() if step == start else 0.95 * running + 0.05 * loss.item()
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
            save_checkpoint(output / "last.pt", parts, step + 1)
            write_config(config.model, output / "ecapa.json")
        if step % 10 == 0:
            yield SpeakerProgress(step, running, (time.monotonic() - began) / (step - start + 1))


def load_speaker_encoder(checkpoint: Path) -> SpeakerEncoder:
    """The encoder of a finished or running training, frozen."""
    encoder = SpeakerEncoder(read_config(EcapaConfig, checkpoint.parent / "ecapa.json"))
    load_checkpoint(checkpoint, {"encoder": encoder})
    return encoder.eval().requires_grad_(False)
