"""Puts a run of the voice together: the warm-start voice, a trained speaker encoder, a corpus, a teacher."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import soxr
import torch
from safetensors.torch import load_file
from torch import Tensor

from timbre_inference.importers.piper import PiperVoice, read_piper_voice
from timbre_inference.models.ecapa import SpeakerEncoder
from timbre_inference.models.family import FamilyInfo
from timbre_inference.models.vits.family import VitsFamily
from timbre_inference.models.vits.network import TrainableVits
from timbre_inference.text import SymbolTable, Tokenizer
from timbre_inference.train.prepare import ENCODER_RATE, SPEECH_RATE, Clip, Corpus
from timbre_inference.train.teacher import TeacherSampler, speak_teacher
from timbre_inference.train.transcribe import read_stretches
from timbre_inference.train.voice import VoiceTrainer, VoiceTrainingConfig
from timbre_inference.train.voice_data import Utterance, VoiceSampler, embed_clips, plausible, utterances_with_text

LONGEST_UTTERANCE = 9.0
TEACHER_SENTENCES = 280
CORPUS_WEIGHTS = {"commonvoice": 0.5, "speechocean762": 0.5, "librispeech-single": 2.0}
"""Amateur recordings and second-language speech teach variety, but not how English should sound."""


@dataclass(frozen=True, slots=True)
class VoiceRun:
    """Everything a run of the voice works in; derived files are made once and kept in `folder`."""

    corpus: Corpus
    encoder: SpeakerEncoder
    warm_start: PiperVoice
    folder: Path

    @property
    def symbols(self) -> SymbolTable:
        """The warm-start voice's phonemes."""
        return SymbolTable(self.warm_start.espeak_voice, self.warm_start.symbols)

    def warm_family(self) -> VitsFamily:
        """The untouched warm-start voice."""
        config = self.warm_start.network.config
        info = FamilyInfo(
            sample_rate=config.sample_rate,
            hop_length=config.hop_length,
            languages=("en",),
            embedding_size=config.speaker_size,
            encoder_id=self.encoder.config.encoder_id,
            reference_sample_rate=self.encoder.config.sample_rate,
            context_frames=config.vocoder.context_frames,
        )
        return VitsFamily(self.warm_start.network, self.encoder, info, torch.device("cpu"))

    def trainer(self, config: VoiceTrainingConfig) -> VoiceTrainer:
        """A trainer on the English clips of the corpus, with the stretches of `stretches.tsv` where there is one."""
        clips = [clip for clip in self.corpus.clips if clip.split == "train" and clip.lang == "en"]
        tokenizer = Tokenizer(self.symbols)
        embeddings = embed_clips(self.encoder, self.corpus, clips, self.folder / "embeddings.safetensors")
        utterances = utterances_with_text(clips, tokenizer) + self._stretches(clips, tokenizer)
        utterances = [utterance for utterance in utterances if utterance.samples < LONGEST_UTTERANCE * SPEECH_RATE]
        hop = self.warm_start.network.config.hop_length
        sampler = VoiceSampler(self.corpus, utterances, embeddings, hop, config.batch_size, config.seed, CORPUS_WEIGHTS)
        teacher_file = self._teacher_speech(clips, tokenizer)
        teacher = TeacherSampler(
            teacher_file, self.warm_family(), self.teacher_embedding(), config.batch_size, config.seed
        )
        network = TrainableVits(self.warm_start.network.config)
        network.load_state_dict({**network.state_dict(), **self.warm_start.network.state_dict()})
        return VoiceTrainer(network, config, sampler, teacher, self.folder)

    def teacher_embedding(self) -> Tensor:
        """How the encoder hears the warm-start voice: the mean over its sentences, of length one."""
        speech = load_file(self.folder / "teacher.safetensors")
        heard = [
            torch.from_numpy(soxr.resample(speech[f"{index}.waveform"].float().numpy(), SPEECH_RATE, ENCODER_RATE))
            for index in range(min(60, len(speech) // 2))
        ]
        with torch.inference_mode():
            mean = self.encoder.encode(heard).mean(dim=0)
        return torch.nn.functional.normalize(mean, dim=0).clone()

    def _teacher_speech(self, clips: list[Clip], tokenizer: Tokenizer) -> Path:
        path = self.folder / "teacher.safetensors"
        if not path.exists():
            texts = [clip.text for clip in clips if clip.text and clip.speech_samples < 5 * SPEECH_RATE]
            chosen = random.Random(1).sample(texts, min(TEACHER_SENTENCES, len(texts)))  # noqa: S311  # not for secrets
            sentences = [tokens for text in chosen if (tokens := tokenizer.encode(text.lower()))]
            speak_teacher(self.warm_family(), sentences, path)
        return path

    def _stretches(self, clips: list[Clip], tokenizer: Tokenizer) -> list[Utterance]:
        path = self.folder / "stretches.tsv"
        if not path.exists():
            return []
        index = {clip.name: row for row, clip in enumerate(clips)}
        return [
            Utterance(clips[index[stretch.name]], stretch.start, stretch.samples, tuple(tokens), index[stretch.name])
            for stretch in read_stretches(path)
            if stretch.name in index and plausible(tokens := tokenizer.encode(stretch.text), stretch.samples)
        ]


def open_voice_run(corpus: Path, speaker_checkpoint: Path, warm_start: Path, folder: Path) -> VoiceRun:
    """Opens a prepared corpus, a speaker encoder as `timbre train speaker` left it, and a Piper voice."""
    from timbre_inference.train.speaker import load_speaker_encoder

    encoder = load_speaker_encoder(speaker_checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    voice = read_piper_voice(warm_start, encoder.config.embedding_size)
    return VoiceRun(Corpus(corpus), encoder, voice, folder)
