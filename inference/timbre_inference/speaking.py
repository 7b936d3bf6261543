"""A text becomes sentences, then sound, piece by piece: the first piece leaves before the last is spoken."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from timbre_inference.audio.encode import Encoder, Waveform, open_encoder
from timbre_inference.audio.formats import AudioFormat
from timbre_inference.errors import BadTextError, JobTooLargeError
from timbre_inference.jobs import SynthesisJob
from timbre_inference.schemas import MAX_SEED, SpeechOptions
from timbre_inference.synthesis_options import SynthesisOptions
from timbre_inference.text import split_sentences
from timbre_inference.voices import Embedding

if TYPE_CHECKING:
    from timbre_inference.batcher import Batcher
    from timbre_inference.text import Tokenizer
    from timbre_inference.workers import Workers

_WHITE_CONTROLS = frozenset("\t\n\r\v\f")


@dataclass(frozen=True)
class Piece:
    """Some bytes of the answer, and how much speech they hold."""

    data: bytes
    audio_seconds: float
    last: bool


def check_text(text: str, max_length: int) -> None:
    """Raise for text that cannot be spoken, before anything is spent on it."""
    if len(text) > max_length:
        raise JobTooLargeError(
            f"The text has {len(text)} characters; this server takes {max_length}. Send it in parts."
        )
    if not text.strip():
        raise BadTextError("The text is empty. Send something to say.", code="empty_input")
    control = next((char for char in text if _is_control(char)), None)
    if control is not None:
        raise BadTextError(
            f"The text has the control character U+{ord(control):04X}. Send plain text.", code="control_characters"
        )


def _is_control(char: str) -> bool:
    return char not in _WHITE_CONTROLS and unicodedata.category(char) in ("Cc", "Cs")


def sentence_seed(seed: int, index: int) -> int:
    """Each sentence's own: neighbours must not share their noise, and a request must repeat exactly."""
    digest = hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") & MAX_SEED


def tokenize(tokenizer: Tokenizer, text: str) -> list[tuple[int, ...]]:
    """The sentences that have something to say, in tokens. Blocks: phonemes take milliseconds."""
    sentences = [tuple(tokenizer.encode(sentence)) for sentence in split_sentences(text)]
    spoken = [tokens for tokens in sentences if tokens]
    if not spoken:
        raise BadTextError("Nothing in the text can be spoken: it has no words. Send words or numbers.")
    return spoken


def jobs_for(
    sentences: Sequence[tuple[int, ...]], embedding: Embedding, options: SpeechOptions, deadline: float
) -> list[SynthesisJob]:
    """One job a sentence."""
    return [
        SynthesisJob(
            tokens=tokens,
            embedding=embedding,
            options=SynthesisOptions(seed=sentence_seed(options.seed, index), speaking_rate=options.speed),
            deadline=deadline,
        )
        for index, tokens in enumerate(sentences)
    ]


class SpeechMaker:
    """Speaks texts through the batcher and encodes what comes back."""

    def __init__(self, batcher: Batcher, tokenizer: Tokenizer, workers: Workers, sample_rate: int) -> None:
        self._batcher = batcher
        self._tokenizer = tokenizer
        self._workers = workers
        self._sample_rate = sample_rate

    async def prepare(self, text: str) -> list[tuple[int, ...]]:
        """Tokens of each sentence."""
        return await self._workers.run(tokenize, self._tokenizer, text)

    async def pieces(self, jobs: Sequence[SynthesisJob], audio_format: AudioFormat) -> AsyncGenerator[Piece, None]:
        """One file, sentence by sentence; closing the generator gives the rest up."""
        encoder: Encoder | None = None
        spoken = 0
        async with await self._batcher.synthesize_all(jobs) as speech:
            async for waveform in speech:
                spoken += 1
                last = spoken == len(jobs)
                if encoder is None:
                    encoder = open_encoder(audio_format, self._sample_rate, len(waveform) if last else None)
                data = await self._workers.run(_encode, encoder, waveform, last)
                yield Piece(data, len(waveform) / self._sample_rate, last)


def _encode(encoder: Encoder, waveform: Waveform, last: bool) -> bytes:
    return encoder.encode(waveform) + (encoder.finish() if last else b"")
