"""Speech without a server: what `timbre say` and `timbre eval` speak through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from timbre_inference.audio.analysis import analyse, refuse_unusable
from timbre_inference.audio.decode import DecodeLimits, decode_reference
from timbre_inference.audio.encode import encode_file
from timbre_inference.audio.formats import AudioFormat
from timbre_inference.bundle import Bundle, load_bundle
from timbre_inference.models.family import VoiceFamily
from timbre_inference.synthesis_options import SynthesisOptions
from timbre_inference.text import Tokenizer, split_sentences

MAX_REFERENCE_SECONDS = 60.0
SENTENCE_PAUSE = 0.15
"""Seconds of silence between sentences."""


class UnspeakableError(ValueError):
    """The text holds nothing that the voice can say."""


@dataclass(frozen=True, slots=True)
class OfflineSpeaker:
    """A bundle loaded in this process."""

    bundle: Bundle
    family: VoiceFamily
    tokenizer: Tokenizer
    device: str

    @staticmethod
    def load(source: str, device: str = "auto") -> OfflineSpeaker:
        """Loads a bundle by its URI; `device` is auto, cpu or cuda. Raises BundleError."""
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        bundle = load_bundle(source)
        return OfflineSpeaker(bundle, bundle.load_family(device), bundle.tokenizer(), device)

    def embed(self, reference: Path) -> Tensor:
        """The speaker embedding of a recording, [embedding_size]; BadReferenceError says why one is of no use."""
        rate = self.family.info.reference_sample_rate
        with reference.open("rb") as file:
            waveform = decode_reference(file, DecodeLimits(rate, MAX_REFERENCE_SECONDS))
        refuse_unusable(analyse(waveform, rate))
        return self.family.encode_reference([torch.from_numpy(waveform)])[0]

    def default_voice(self) -> Tensor:
        """The bundle's own voice."""
        return torch.from_numpy(self.bundle.voices[self.bundle.manifest.default_voice])

    def speak(self, text: str, embedding: Tensor, seed: int = 0, speed: float = 1.0) -> npt.NDArray[np.float32]:
        """A text of any length as one waveform at the bundle's rate; raises UnspeakableError."""
        rows = [tokens for sentence in split_sentences(text) if (tokens := self.tokenizer.encode(sentence))]
        if not rows:
            raise UnspeakableError("the text holds no word that this voice can say")
        pause = np.zeros(int(SENTENCE_PAUSE * self.family.info.sample_rate), dtype=np.float32)
        pieces: list[npt.NDArray[np.float32]] = []
        for index, row in enumerate(rows):
            options = SynthesisOptions(seed=seed + index, speaking_rate=speed)
            plans = self.family.plan([row], embedding.unsqueeze(0), [options])
            pieces += [pause] * (index > 0) + [self.family.decode(plans)[0].cpu().numpy()]
        return np.concatenate(pieces)

    def write(self, waveform: npt.NDArray[np.float32], output: Path) -> float:
        """Writes a waveform in the format that the file's name ends with, and returns its seconds."""
        try:
            audio_format = AudioFormat(output.suffix.lstrip(".").lower())
        except ValueError:
            raise ValueError(
                f"can't write {output.suffix or 'a file without an ending'}: use .wav, .flac, .mp3 or .opus"
            ) from None
        rate = self.family.info.sample_rate
        data = encode_file(audio_format, waveform, rate)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(data)
        return len(waveform) / rate
