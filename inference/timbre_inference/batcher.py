"""The bounded queue between requests and the device.

A request's sentences are admitted together or not at all. What waits is ordered by when a listener needs
it: the second sentence only when the first has been heard, so that a long text does not make everyone wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from timbre_inference.batch_plan import BatchLimits, pick_batch, time_to_wait
from timbre_inference.device_thread import DeviceThread
from timbre_inference.errors import (
    DeadlineExceededError,
    DrainingError,
    InternalError,
    JobTooLargeError,
    OverloadedError,
    TimbreError,
)
from timbre_inference.jobs import SynthesisJob, Waveform
from timbre_inference.metrics import Metrics
from timbre_inference.queued import QueuedRow, settle

logger = logging.getLogger(__name__)

Embedding = npt.NDArray[np.float32]

LONGEST_RETRY_AFTER = 60.0


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much may wait, and how long."""

    max_waiting: int
    """Sentences."""
    max_queue_delay: float
    max_waiting_references: int = 32
    reference_timeout: float = 120.0


@dataclass(frozen=True, slots=True)
class QueueOverview:
    """What waits, at one moment."""

    depth: int
    oldest_age: float
    """Seconds."""
    pending_audio_seconds: float
    """Estimated; what is on the device included."""
    in_flight: int
    """Sentences on the device."""


class Speaker(Protocol):
    """What the batcher needs of the engine: two calls on the device's thread, and numbers at any time."""

    @property
    def limits(self) -> BatchLimits:
        """What a batch may hold now."""

    @property
    def max_row_frames(self) -> int:
        """The longest sentence that is taken."""

    def estimate(self, job: SynthesisJob) -> int:
        """Frames that a job will probably take."""

    def seconds(self, frames: int) -> float:
        """Of sound in so many frames."""

    def too_long(self, frames: int) -> str:
        """What to tell the client of a sentence that is too long."""

    def speak(self, rows: Sequence[QueuedRow]) -> None:
        """Settle every row that is still wanted."""

    def embed(self, waveform: Waveform) -> Embedding:
        """[embedding_size] of a reference."""


class Speech:
    """The waveforms of one request, sentence by sentence, in order; closing it gives up the rest.

    `async with await batcher.synthesize_all(jobs) as speech: async for waveform in speech: ...`
    """

    def __init__(self, batcher: Batcher, rows: Sequence[QueuedRow]) -> None:
        self._batcher = batcher
        self._rows = deque(rows)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Waveform:
        if not self._rows:
            raise StopAsyncIteration
        row = self._rows.popleft()
        try:
            return await self._batcher.result(row)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Leave the queue with whatever has not been spoken."""
        while self._rows:
            self._batcher.leave(self._rows.popleft())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Batcher:
    """Belongs to the event loop's thread, but for `overview`, which any thread may call."""

    def __init__(self, speaker: Speaker, device: DeviceThread, metrics: Metrics, limits: QueueLimits) -> None:
        self._speaker = speaker
        self._device = device
        self._metrics = metrics
        self._limits = limits
        self._waiting: dict[QueuedRow, None] = {}
        self._running: tuple[QueuedRow, ...] = ()
        self._references: deque[tuple[Waveform, asyncio.Future[Embedding]]] = deque()
        self._changed = asyncio.Event()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._serving: asyncio.Task[None] | None = None
        self._previous_rows = 0
        self._previous_ended = 0.0
        self._audio_per_second = 0.0

    # ---- what routes call

    async def synthesize(self, job: SynthesisJob) -> Waveform:
        """Speak one sentence. Cancelling the awaiting task takes it out of the queue.

        Raises OverloadedError, DrainingError, DeadlineExceededError, JobTooLargeError, InternalError.
        """
        (row,) = self._admit([job])
        return await self.result(row)

    async def synthesize_all(self, jobs: Sequence[SynthesisJob]) -> Speech:
        """Admit all sentences of one request, or none: errors of admission are raised here, before any sound."""
        return Speech(self, self._admit(jobs))

    async def embed(self, waveform: Waveform) -> Embedding:
        """[embedding_size] of a reference at the model's reference rate; takes turns with speech."""
        self._refuse_while_draining()
        if len(self._references) >= self._limits.max_waiting_references:
            self._metrics.rejected.labels("embed_overloaded").inc()
            raise OverloadedError(retry_after=self._retry_after())
        future: asyncio.Future[Embedding] = asyncio.get_running_loop().create_future()
        self._references.append((waveform, future))
        self._wake()
        try:
            async with asyncio.timeout(self._limits.reference_timeout):
                return await future
        except TimeoutError:
            raise DeadlineExceededError("The server was too busy to listen to the reference. Try again.") from None

    def overview(self) -> QueueOverview:
        """What waits now."""
        waiting, running = tuple(self._waiting), self._running
        now = time.monotonic()
        return QueueOverview(
            depth=len(waiting),
            oldest_age=max((now - row.enqueued_at for row in waiting), default=0.0),
            pending_audio_seconds=self._speaker.seconds(sum(row.frames for row in waiting + running)),
            in_flight=len(running),
        )

    # ---- life

    def start(self) -> None:
        """Begin to serve the queue."""
        self._serving = asyncio.create_task(self._serve(), name="batcher")

    async def drain(self) -> None:
        """Refuse new work, return when all that was accepted is done."""
        self._draining = True
        await self._idle.wait()

    async def stop(self) -> None:
        """Fail what is left and end."""
        self._draining = True
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait((self._serving,))
        self._fail_everything(DrainingError())

    async def wait_closed(self) -> None:
        """Return only when serving ends by itself, which is by an error: raises it."""
        if self._serving is not None:
            await asyncio.shield(self._serving)

    # ---- admission

    def _admit(self, jobs: Sequence[SynthesisJob]) -> list[QueuedRow]:
        self._refuse_while_draining()
        frames = [self._speaker.estimate(job) for job in jobs]
        if frames and max(frames) > self._speaker.max_row_frames:
            self._metrics.rejected.labels("too_large").inc()
            raise JobTooLargeError(self._speaker.too_long(max(frames)))
        # A text of more sentences than the queue may hold has to find it empty.
        if self._waiting and len(self._waiting) + len(jobs) > self._limits.max_waiting:
            self._metrics.rejected.labels("overloaded").inc()
            raise OverloadedError(retry_after=self._retry_after())
        return self._enqueue(jobs, frames)

    def _enqueue(self, jobs: Sequence[SynthesisJob], frames: Sequence[int]) -> list[QueuedRow]:
        loop = asyncio.get_running_loop()
        rows, due = [], time.monotonic()
        for job, length in zip(jobs, frames, strict=True):
            rows.append(QueuedRow(job, length, due, loop))
            due += self._speaker.seconds(length)
        self._waiting.update(dict.fromkeys(rows))
        if rows:
            self._wake()
        return rows

    def _refuse_while_draining(self) -> None:
        if self._draining:
            self._metrics.rejected.labels("draining").inc()
            raise DrainingError

    def _retry_after(self) -> float:
        """When about half of what waits will be done, by the speed of late."""
        if not self._audio_per_second:
            return 1.0
        return min(LONGEST_RETRY_AFTER, self.overview().pending_audio_seconds / self._audio_per_second / 2)

    # ---- leaving

    async def result(self, row: QueuedRow) -> Waveform:
        """A row's sound; whoever stops waiting takes the row out of the queue."""
        try:
            async with asyncio.timeout(max(0.0, row.job.deadline - time.monotonic())):
                return await row.future
        except TimeoutError:
            raise DeadlineExceededError from None
        finally:
            self.leave(row)

    def leave(self, row: QueuedRow) -> None:
        """Take a row out wherever it is; does nothing to one that is done."""
        queued = row in self._waiting
        self._waiting.pop(row, None)
        if row.abandoned or (row.future.done() and not row.future.cancelled()):
            return
        phase = "expired" if row.expired() else "queued" if queued else "running"
        self._metrics.cancelled.labels(phase).inc()
        row.settle(DeadlineExceededError())
        row.abandon()

    # ---- serving

    def _wake(self) -> None:
        self._idle.clear()
        self._changed.set()
        self._arrived.set()

    async def _serve(self) -> None:
        try:
            while True:
                await self._changed.wait()
                await self._collect()
                await self._speak(self._take_batch())
                await self._embed_one()
                self._rest_if_idle()
        except Exception:
            logger.exception("the queue is not served any more")
            self._draining = True
            self._fail_everything(InternalError())
            raise

    def _rest_if_idle(self) -> None:
        if not self._waiting and not self._references:
            self._changed.clear()
            self._idle.set()

    async def _collect(self) -> None:
        """Wait a moment for company, when the batch before had some."""
        while delay := self._time_to_wait():
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._arrived.wait()

    def _time_to_wait(self) -> float:
        since = time.monotonic() - self._previous_ended
        return time_to_wait(len(self._waiting), self._previous_rows, since, self._limits.max_queue_delay)

    def _take_batch(self) -> tuple[QueuedRow, ...]:
        for row in [row for row in self._waiting if row.expired()]:
            self.leave(row)
        queue = sorted(self._waiting, key=lambda row: row.due)
        batch = tuple(queue[index] for index in pick_batch([row.frames for row in queue], self._speaker.limits))
        for row in batch:
            del self._waiting[row]
            self._metrics.queue_seconds.observe(time.monotonic() - row.enqueued_at)
        return batch

    async def _speak(self, batch: tuple[QueuedRow, ...]) -> None:
        if not batch:
            return
        self._running = batch
        started = time.monotonic()
        try:
            await self._device.run(lambda: self._speaker.speak(batch))
        except asyncio.CancelledError:
            _settle_all(batch, DrainingError())
            raise
        finally:
            self._running = ()
            _settle_all(batch, InternalError())  # Ignored by those that are settled: nobody may wait for ever.
        self._previous_rows, self._previous_ended = len(batch), time.monotonic()
        self._note_speed(batch, self._previous_ended - started)

    def _note_speed(self, batch: tuple[QueuedRow, ...], elapsed: float) -> None:
        speed = self._speaker.seconds(sum(row.frames for row in batch)) / max(elapsed, 1e-6)
        self._audio_per_second = speed if not self._audio_per_second else 0.8 * self._audio_per_second + 0.2 * speed

    async def _embed_one(self) -> None:
        """One reference after each batch of speech: neither waits for the other's queue to empty."""
        while self._references and self._references[0][1].done():
            self._references.popleft()
        if not self._references:
            return
        waveform, future = self._references.popleft()
        try:
            settle(future, await self._device.run(lambda: self._speaker.embed(waveform)))
        except TimbreError as error:
            settle(future, error)
        except BaseException:
            settle(future, InternalError())
            raise

    def _fail_everything(self, error: TimbreError) -> None:
        _settle_all((*self._waiting, *self._running), error)
        for _, future in self._references:
            settle(future, error)
        self._waiting.clear()
        self._references.clear()
        self._idle.set()


def _settle_all(rows: Sequence[QueuedRow], error: TimbreError) -> None:
    for row in rows:
        row.settle(error)
