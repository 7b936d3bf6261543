"""Batches of speech, text and speaker embeddings for training the voice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from timbre_inference.models.ecapa import SpeakerEncoder
from timbre_inference.models.masks import pad_rows
from timbre_inference.text import Tokenizer
from timbre_inference.train.prepare import ENCODER_RATE, SPEECH_RATE, Clip, Corpus


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of one clip: what is said in it (token ids), and where it lies."""

    clip: Clip
    start: int
    """First sample within the clip, at the speech rate."""
    samples: int
    tokens: tuple[int, ...]
    embedding: int
    """Row of the embedding table."""


@dataclass(frozen=True, slots=True)
class VoiceBatch:
    """Padded tensors of one step; lengths are in tokens and frames."""

    waveforms: Tensor
    frames: Tensor
    tokens: Tensor
    token_lengths: Tensor
    speakers: Tensor
    original_rates: Tensor


class WindowSizes(Protocol):
    """The part of a training configuration that says what a window is."""

    @property
    def windows(self) -> int: ...
    @property
    def segment_frames(self) -> int: ...
    @property
    def context_frames(self) -> int: ...


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """Short windows of speech, all of one length: waveforms [batch, samples]."""

    waveforms: Tensor
    speakers: Tensor
    original_rates: Tensor


def embed_clips(encoder: SpeakerEncoder, corpus: Corpus, clips: list[Clip], cache: Path) -> npt.NDArray[np.float32]:
    """One speaker embedding a clip, [clips, embedding_size]; kept in `cache` for the next run."""
    if cache.exists():
        embeddings: npt.NDArray[np.float32] = load_file(cache)["embeddings"]
        if len(embeddings) == len(clips):
            return embeddings
    rows = []
    with torch.inference_mode():
        for clip in clips:
            audio = corpus.encoder_audio(clip)[: 10 * ENCODER_RATE]
            rows.append(encoder.encode([torch.from_numpy(audio)])[0].numpy())
    save_file({"embeddings": np.stack(rows)}, cache)
    return np.stack(rows)


def utterances_with_text(clips: list[Clip], tokenizer: Tokenizer) -> list[Utterance]:
    """Whole clips whose words are known, with a rate of speech that a person can have."""
    found = []
    for index, clip in enumerate(clips):
        tokens = tokenizer.encode(clip.text.lower() if clip.text.isupper() else clip.text)
        if plausible(tokens, clip.speech_samples):
            found.append(Utterance(clip, 0, clip.speech_samples, tuple(tokens), index))
    return found


def plausible(tokens: list[int], samples: int) -> bool:
    """Whether a person can say this in that time; otherwise the text is not what the clip says."""
    phonemes = len(tokens) / 2  # an id of rest stands between any two
    return 4 < phonemes / (samples / SPEECH_RATE) < 25


class VoiceSampler:
    """Draws batches of similar length, speakers by the square root of their material; the same for the same step."""

    def __init__(
        self,
        corpus: Corpus,
        utterances: list[Utterance],
        embeddings: npt.NDArray[np.float32],
        hop_length: int,
        batch_size: int,
        seed: int,
        corpus_weights: dict[str, float],
    ) -> None:
        self.corpus, self.embeddings = corpus, embeddings
        self.utterances = sorted(utterances, key=lambda utterance: utterance.samples)
        self.hop_length, self.batch_size, self.seed = hop_length, batch_size, seed
        self.by_speaker: dict[str, list[int]] = {}
        for utterance in self.utterances:
            self.by_speaker.setdefault(utterance.clip.speaker, []).append(utterance.embedding)
        weights = [
            corpus_weights.get(utterance.clip.corpus, 1.0) * len(self.by_speaker[utterance.clip.speaker]) ** -0.5
            for utterance in self.utterances
        ]
        self.weights = np.array(weights) / sum(weights)

    def batch(self, step: int) -> VoiceBatch:
        """A seed utterance by weight, and neighbours in length by weight."""
        random = np.random.default_rng((self.seed, step))
        centre = int(random.choice(len(self.utterances), p=self.weights))
        low = max(0, centre - self.batch_size * 20)
        window = self.weights[low : centre + self.batch_size * 20]
        picks = random.choice(len(window), self.batch_size, replace=False, p=window / window.sum()) + low
        return self._collate([self.utterances[pick] for pick in picks], random)

    def windows(self, step: int, sizes: WindowSizes) -> WindowBatch:
        """Windows of a segment with its context on both sides, out of utterances by weight."""
        random = np.random.default_rng((self.seed, step))
        samples = (sizes.segment_frames + 2 * sizes.context_frames) * self.hop_length
        picks = random.choice(len(self.utterances), sizes.windows, replace=False, p=self.weights)
        chosen = [self.utterances[pick] for pick in picks]
        windows = []
        for utterance in chosen:
            waveform = self.corpus.speech(utterance.clip)
            waveform = np.pad(waveform, (0, max(0, samples - len(waveform))))
            start = random.integers(len(waveform) - samples + 1)
            windows.append(waveform[start : start + samples])
        return WindowBatch(
            waveforms=torch.from_numpy(np.stack(windows)),
            speakers=torch.from_numpy(np.stack([self.embeddings[utterance.embedding] for utterance in chosen])),
            original_rates=torch.tensor([float(utterance.clip.original_sample_rate) for utterance in chosen]),
        )

    def _collate(self, utterances: list[Utterance], random: np.random.Generator) -> VoiceBatch:
        waveforms, frames, speakers = [], [], []
        for utterance in utterances:
            waveform = self.corpus.speech(utterance.clip)[utterance.start : utterance.start + utterance.samples]
            count = len(waveform) // self.hop_length
            waveforms.append(torch.from_numpy(waveform[: count * self.hop_length].copy()))
            frames.append(count)
            # Another clip of the same person half of the time: the embedding must say who, not what.
            others = self.by_speaker[utterance.clip.speaker]
            row = others[random.integers(len(others))] if random.random() < 0.5 else utterance.embedding
            speakers.append(self.embeddings[row])
        tokens = [torch.tensor(utterance.tokens) for utterance in utterances]
        return VoiceBatch(
            waveforms=pad_rows(waveforms),
            frames=torch.tensor(frames),
            tokens=pad_rows(tokens),
            token_lengths=torch.tensor([len(row) for row in tokens]),
            speakers=torch.from_numpy(np.stack(speakers)),
            original_rates=torch.tensor([float(utterance.clip.original_sample_rate) for utterance in utterances]),
        )
