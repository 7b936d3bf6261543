"""The bounded queue between requests and the device."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from timbre_inference.jobs import SynthesisJob, Waveform


@dataclass(frozen=True, slots=True)
class QueueOverview:
    """What waits, at one moment."""

    depth: int
    oldest_age: float
    """Seconds."""
    pending_audio_seconds: float
    in_flight: int
    """Sentences on the device."""


class Speech:
    """The waveforms of one request, sentence by sentence, in order; closing it gives the rest up."""

    def __aiter__(self) -> AsyncIterator[Waveform]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Leave the queue with whatever has not been spoken."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Batcher:
    """Everything here belongs to the event loop's thread, but for `overview`, which any thread may call."""

    async def synthesize(self, job: SynthesisJob) -> Waveform:
        """Speak one sentence. Cancelling the awaiting task takes it out of the queue.

        Raises OverloadedError, DrainingError, DeadlineExceededError, JobTooLargeError, InternalError.
        """
        raise NotImplementedError

    async def synthesize_all(self, jobs: Sequence[SynthesisJob]) -> Speech:
        """Admit all sentences of one request, or none: errors of admission are raised here, before any sound.

        `async with await batcher.synthesize_all(jobs) as speech: async for waveform in speech: ...`
        """
        raise NotImplementedError

    async def embed(self, waveform: Waveform) -> npt.NDArray[np.float32]:
        """[embedding_size] of a reference at the model's reference rate."""
        raise NotImplementedError

    def overview(self) -> QueueOverview:
        """What waits now."""
        raise NotImplementedError
