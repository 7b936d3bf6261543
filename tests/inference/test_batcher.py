"""The queue's side, over a device that works only when the test lets it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from timbre_inference.batch_plan import BatchLimits
from timbre_inference.batcher import Batcher, Embedding, QueueLimits
from timbre_inference.device_thread import DeviceThread
from timbre_inference.engine import DeviceLostError
from timbre_inference.errors import (
    DeadlineExceededError,
    DrainingError,
    InternalError,
    JobTooLargeError,
    OverloadedError,
)
from timbre_inference.jobs import SynthesisJob, Waveform
from timbre_inference.metrics import Metrics
from timbre_inference.queued import QueuedRow
from timbre_inference.synthesis_options import SynthesisOptions

LIMITS = QueueLimits(max_waiting=6, max_queue_delay=0.0, max_waiting_references=2, reference_timeout=5.0)


class GatedSpeaker:
    """Speaks a row as its token count in samples, one batch each time the gate is opened."""

    def __init__(self) -> None:
        self.limits = BatchLimits(max_batch_size=3, max_batch_frames=1000)
        self.max_row_frames = 2000
        self.open = threading.Semaphore(0)
        self.batches: list[list[int]] = []
        self.embedded = 0
        self.lost = False

    def estimate(self, job: SynthesisJob) -> int:
        return len(job.tokens)

    def seconds(self, frames: int) -> float:
        return frames / 100

    def too_long(self, frames: int) -> str:
        return f"{frames} are too many"

    def speak(self, rows: Sequence[QueuedRow]) -> None:
        self.batches.append([row.job.options.seed for row in rows])
        assert self.open.acquire(timeout=10)
        if self.lost:
            raise DeviceLostError("fell off the bus")
        for row in rows:
            if row.wanted():
                row.finish(np.zeros(len(row.job.tokens), np.float32))

    def embed(self, waveform: Waveform) -> Embedding:
        assert self.open.acquire(timeout=10)
        self.embedded += 1
        return waveform[:4]


def job(tokens: int = 10, seed: int = 0, seconds: float = 10.0) -> SynthesisJob:
    return SynthesisJob(
        tuple(range(tokens)), np.zeros(4, np.float32), SynthesisOptions(seed), time.monotonic() + seconds
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the condition is another thread's
            await asyncio.sleep(0.001)


@pytest.fixture
def speaker() -> GatedSpeaker:
    return GatedSpeaker()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def batcher(speaker: GatedSpeaker, metrics: Metrics) -> AsyncIterator[Batcher]:
    device = DeviceThread()
    device.start()
    batcher = Batcher(speaker, device, metrics, LIMITS)
    batcher.start()
    yield batcher
    speaker.open.release(1000)
    await batcher.stop()
    device.stop()


async def occupy(batcher: Batcher, speaker: GatedSpeaker) -> asyncio.Task[Waveform]:
    """Give the device a sentence to be busy with until the gate opens."""
    task = asyncio.create_task(batcher.synthesize(job(seed=99)))
    await until(lambda: batcher.overview().in_flight == 1)
    return task


async def test_an_idle_device_goes_at_once(batcher: Batcher, speaker: GatedSpeaker) -> None:
    speaker.open.release()
    assert len(await batcher.synthesize(job(7))) == 7
    assert batcher.overview().depth == 0


async def test_what_comes_while_the_device_works_goes_together(batcher: Batcher, speaker: GatedSpeaker) -> None:
    first = await occupy(batcher, speaker)
    rest = [asyncio.create_task(batcher.synthesize(job(seed=seed))) for seed in range(3)]
    await until(lambda: batcher.overview().depth == 3)
    speaker.open.release(2)
    await asyncio.gather(first, *rest)
    assert speaker.batches == [[99], [0, 1, 2]]


async def test_sentences_of_a_request_come_in_order(batcher: Batcher, speaker: GatedSpeaker) -> None:
    speaker.open.release(10)
    async with await batcher.synthesize_all([job(5), job(50), job(6)]) as speech:
        assert [len(waveform) async for waveform in speech] == [5, 50, 6]


async def test_a_newcomers_first_sentence_goes_before_the_end_of_a_long_text(
    batcher: Batcher, speaker: GatedSpeaker
) -> None:
    first = await occupy(batcher, speaker)
    speech = await batcher.synthesize_all([job(200, seed=seed) for seed in range(4)])
    newcomer = asyncio.create_task(batcher.synthesize(job(200, seed=50)))
    await until(lambda: batcher.overview().depth == 5)
    speaker.open.release(10)
    await asyncio.gather(first, newcomer)
    await speech.aclose()
    assert speaker.batches[1][:2] == [0, 50]


async def test_a_full_queue_refuses_with_a_time_to_come_back(
    batcher: Batcher, speaker: GatedSpeaker, metrics: Metrics
) -> None:
    first = await occupy(batcher, speaker)
    speech = await batcher.synthesize_all([job() for _ in range(6)])
    with pytest.raises(OverloadedError) as refusal:
        await batcher.synthesize(job())
    assert refusal.value.retry_after >= 1
    assert metrics.registry.get_sample_value("timbre_rejected_total", {"reason": "overloaded"}) == 1
    await speech.aclose()
    speaker.open.release(1)
    await first


async def test_a_request_is_admitted_whole_or_not_at_all(batcher: Batcher, speaker: GatedSpeaker) -> None:
    first = await occupy(batcher, speaker)
    speech = await batcher.synthesize_all([job() for _ in range(4)])
    with pytest.raises(OverloadedError):
        await batcher.synthesize_all([job() for _ in range(3)])
    assert batcher.overview().depth == 4
    await speech.aclose()
    assert batcher.overview().depth == 0
    speaker.open.release(1)
    await first


async def test_a_text_longer_than_the_queue_is_admitted_when_nothing_waits(
    batcher: Batcher, speaker: GatedSpeaker
) -> None:
    speaker.open.release(100)
    async with await batcher.synthesize_all([job() for _ in range(20)]) as speech:
        assert len([waveform async for waveform in speech]) == 20


async def test_a_sentence_that_is_too_long_is_refused_at_the_door(batcher: Batcher) -> None:
    with pytest.raises(JobTooLargeError, match="2001 are too many"):
        await batcher.synthesize_all([job(), job(2001)])
    assert batcher.overview().depth == 0


async def test_a_sentence_given_up_leaves_the_queue_at_once(
    batcher: Batcher, speaker: GatedSpeaker, metrics: Metrics
) -> None:
    first = await occupy(batcher, speaker)
    leaver = asyncio.create_task(batcher.synthesize(job(seed=1)))
    await until(lambda: batcher.overview().depth == 1)
    leaver.cancel()
    await asyncio.gather(leaver, return_exceptions=True)
    assert batcher.overview().depth == 0
    speaker.open.release(2)
    await first
    await batcher.synthesize(job(seed=2))
    assert speaker.batches == [[99], [2]]
    assert metrics.registry.get_sample_value("timbre_cancelled_total", {"phase": "queued"}) == 1


async def test_a_sentence_given_up_on_the_device_does_not_hurt_its_neighbours(
    batcher: Batcher, speaker: GatedSpeaker
) -> None:
    first = await occupy(batcher, speaker)
    leaver, stayer = (asyncio.create_task(batcher.synthesize(job(seed=seed))) for seed in (1, 2))
    await until(lambda: batcher.overview().depth == 2)
    speaker.open.release(1)
    await until(lambda: batcher.overview().in_flight == 2)
    leaver.cancel()
    speaker.open.release(1)
    assert len(await stayer) == 10
    await first


async def test_time_that_runs_out_in_the_queue_is_told_and_costs_nothing(
    batcher: Batcher, speaker: GatedSpeaker
) -> None:
    first = await occupy(batcher, speaker)
    with pytest.raises(DeadlineExceededError):
        await batcher.synthesize(job(seed=1, seconds=0.01))
    assert batcher.overview().depth == 0
    speaker.open.release(1)
    await first
    assert speaker.batches == [[99]]


async def test_a_later_sentence_whose_time_ran_out_is_never_spoken(batcher: Batcher, speaker: GatedSpeaker) -> None:
    first = await occupy(batcher, speaker)
    now = job(seed=1)
    speech = await batcher.synthesize_all([now, replace(now, deadline=time.monotonic() + 0.01)])
    await until(lambda: time.monotonic() > now.deadline - 9.98)
    speaker.open.release(2)
    await first
    assert len(await anext(speech)) == 10
    with pytest.raises(DeadlineExceededError):
        await anext(speech)
    assert speaker.batches == [[99], [1]]


async def test_a_reference_takes_its_turn_between_batches(batcher: Batcher, speaker: GatedSpeaker) -> None:
    first = await occupy(batcher, speaker)
    embedding = asyncio.create_task(batcher.embed(np.ones(10, np.float32)))
    waiting = [asyncio.create_task(batcher.synthesize(job(seed=seed))) for seed in range(6)]
    await until(lambda: batcher.overview().depth == 6)
    speaker.open.release(2)
    await first
    assert len(await embedding) == 4
    await until(lambda: len(speaker.batches) == 2)
    assert batcher.overview().depth == 3
    speaker.open.release(2)
    await asyncio.gather(*waiting)


async def test_references_have_a_bounded_queue_too(batcher: Batcher, speaker: GatedSpeaker) -> None:
    first = await occupy(batcher, speaker)
    waiting = [asyncio.create_task(batcher.embed(np.ones(10, np.float32))) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await batcher.embed(np.ones(10, np.float32))
    speaker.open.release(3)
    await asyncio.gather(first, *waiting)


async def test_draining_finishes_what_waits_and_takes_nothing_new(batcher: Batcher, speaker: GatedSpeaker) -> None:
    first = await occupy(batcher, speaker)
    queued = asyncio.create_task(batcher.synthesize(job()))
    await until(lambda: batcher.overview().depth == 1)
    draining = asyncio.create_task(batcher.drain())
    await asyncio.sleep(0)
    with pytest.raises(DrainingError):
        await batcher.synthesize(job())
    assert not draining.done()
    speaker.open.release(2)
    await asyncio.gather(first, queued, draining)


async def test_a_lost_device_fails_all_and_ends_the_batcher(batcher: Batcher, speaker: GatedSpeaker) -> None:
    first = await occupy(batcher, speaker)
    queued = asyncio.create_task(batcher.synthesize(job()))
    await until(lambda: batcher.overview().depth == 1)
    speaker.lost = True
    speaker.open.release(1)
    outcomes = await asyncio.gather(first, queued, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [InternalError, InternalError]
    with pytest.raises(DeviceLostError):
        await batcher.wait_closed()
    with pytest.raises(DrainingError):
        await batcher.synthesize(job())


async def test_the_overview_tells_what_waits(batcher: Batcher, speaker: GatedSpeaker) -> None:
    first = await occupy(batcher, speaker)
    speech = await batcher.synthesize_all([job(100), job(200)])
    await until(lambda: batcher.overview().oldest_age > 0.005)
    overview = batcher.overview()
    assert (overview.depth, overview.in_flight) == (2, 1)
    assert overview.pending_audio_seconds == pytest.approx(3.1)
    await speech.aclose()
    speaker.open.release(1)
    await first
    await until(lambda: batcher.overview().pending_audio_seconds == 0)
