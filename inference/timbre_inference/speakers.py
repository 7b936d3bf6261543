"""From what a client calls a voice to the embedding that the model speaks with."""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

import numpy as np

from timbre_inference.audio.decode import DecodeLimits, decode_reference
from timbre_inference.audio.encode import Waveform
from timbre_inference.metrics import Metrics
from timbre_inference.schemas import OPENAI_VOICES
from timbre_inference.voices import Embedding, StoredVoice, VoiceStore
from timbre_inference.workers import Workers

CACHED_EMBEDDINGS = 4096
"""A kilobyte each."""
LONGEST_STORED_SECONDS = 3600.0
"""The limit for uploads may have been another when a stored reference came in."""

Embed = Callable[[Waveform], Awaitable[Embedding]]


def waveform_digest(waveform: Waveform) -> str:
    """The content's name: equal for equal samples."""
    return hashlib.sha256(np.ascontiguousarray(waveform).tobytes()).hexdigest()


class EmbeddingCache:
    """The embeddings used last, by the digest of their reference."""

    def __init__(self, size: int, metrics: Metrics) -> None:
        self._size = size
        self._metrics = metrics
        self._entries: OrderedDict[str, Embedding] = OrderedDict()

    def get(self, digest: str) -> Embedding | None:
        found = self._entries.get(digest)
        if found is None:
            self._metrics.voice_cache_misses.inc()
            return None
        self._entries.move_to_end(digest)
        self._metrics.voice_cache_hits.inc()
        return found

    def put(self, digest: str, embedding: Embedding) -> None:
        self._entries[digest] = embedding
        self._entries.move_to_end(digest)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
        self._metrics.voice_cache_entries.set(len(self._entries))


class Speakers:
    """Embeddings of built-in voices, of enrolled ones and of recordings just sent."""

    def __init__(
        self,
        builtin: Mapping[str, Embedding],
        default_voice: str,
        store: VoiceStore,
        workers: Workers,
        embed: Embed,
        cache: EmbeddingCache,
        encoder_id: str,
        reference_sample_rate: int,
    ) -> None:
        self.builtin = builtin
        self._default_voice = default_voice
        self.encoder_id = encoder_id
        self.reference_sample_rate = reference_sample_rate
        self._store = store
        self._workers = workers
        self._embed = embed
        self._cache = cache

    async def of_voice(self, voice_id: str) -> Embedding:
        """The embedding of a voice by id, built-in name or OpenAI's alias; UnknownVoiceError for any other."""
        if voice_id in self.builtin:
            return self.builtin[voice_id]
        if voice_id.lower() in OPENAI_VOICES:
            return self.builtin[self._default_voice]
        # Read at every request: another pod on the same store may have deleted it.
        voice = await self._workers.run(self._store.voice, voice_id)
        cached = self._cache.get(voice.reference_digest)
        return cached if cached is not None else await self._load(voice)

    async def of_reference(self, waveform: Waveform) -> Embedding:
        """The embedding of a recording, from memory if the same samples were seen lately."""
        digest = await self._workers.run(waveform_digest, waveform)
        cached = self._cache.get(digest)
        if cached is not None:
            return cached
        embedding = await self._embed(waveform)
        self._cache.put(digest, embedding)
        return embedding

    async def _load(self, voice: StoredVoice) -> Embedding:
        if voice.encoder_id == self.encoder_id:
            embedding = await self._workers.run(self._store.embedding, voice.id)
        else:
            embedding = await self._embed(await self._workers.run(self._stored_waveform, voice))
        self._cache.put(voice.reference_digest, embedding)
        return embedding

    def _stored_waveform(self, voice: StoredVoice) -> Waveform:
        limits = DecodeLimits(self.reference_sample_rate, LONGEST_STORED_SECONDS)
        return decode_reference(io.BytesIO(self._store.reference(voice.id)), limits)
