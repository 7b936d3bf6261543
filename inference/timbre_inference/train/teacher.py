"""Speech of the warm-start voice with the latents it was made from: what a new posterior encoder learns from first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from timbre_inference.models.masks import pad_rows
from timbre_inference.models.vits.family import VitsFamily, VitsPlan
from timbre_inference.synthesis_options import SynthesisOptions


@dataclass(frozen=True, slots=True)
class TeacherBatch:
    """Padded: waveforms [batch, samples], latents and prior_side [batch, latent, frames], speakers [batch, size]."""

    waveforms: Tensor
    frames: Tensor
    latents: Tensor
    prior_side: Tensor
    speakers: Tensor


def speak_teacher(family: VitsFamily, sentences: list[list[int]], path: Path) -> None:
    """Speaks sentences with the untouched voice and keeps sound and latents, one set of tensors a sentence."""
    tensors: dict[str, Tensor] = {}
    silent = torch.zeros(1, family.info.embedding_size)
    for index, tokens in enumerate(sentences):
        plan: VitsPlan = family.plan([tokens], silent, [SynthesisOptions(seed=index)])[0]
        tensors[f"{index}.waveform"] = family.decode([plan])[0].half()
        tensors[f"{index}.latents"] = plan.latents.half()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, partial)
    partial.replace(path)


class TeacherSampler:
    """Batches of the teacher's speech; a voice is told apart by the embedding it is given."""

    def __init__(self, path: Path, family: VitsFamily, speaker: Tensor, batch_size: int, seed: int) -> None:
        tensors = load_file(path)
        self.count = len(tensors) // 2
        self.tensors, self.speaker, self.batch_size, self.seed = tensors, speaker, batch_size, seed
        silent = torch.zeros(1, family.info.embedding_size)
        self.prior_side = []
        with torch.no_grad():
            for index in range(self.count):
                latents = tensors[f"{index}.latents"].float().unsqueeze(0)
                mask = torch.ones(1, 1, latents.shape[-1])
                self.prior_side.append(family.vits.flow(latents, mask, silent)[0].half())

    def batch(self, step: int) -> TeacherBatch:
        """The same sentences for the same step."""
        picks = np.random.default_rng((self.seed, step, 7)).choice(self.count, self.batch_size, replace=False)
        latents = [self.tensors[f"{pick}.latents"].float() for pick in picks]
        return TeacherBatch(
            waveforms=pad_rows([self.tensors[f"{pick}.waveform"].float() for pick in picks]),
            frames=torch.tensor([row.shape[-1] for row in latents]),
            latents=pad_rows(latents),
            prior_side=pad_rows([self.prior_side[pick].float() for pick in picks]),
            speakers=self.speaker.expand(self.batch_size, -1),
        )
