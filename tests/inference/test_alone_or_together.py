"""The promise that batching, caching and replay rest on: a sentence sounds the same in any company."""

from __future__ import annotations

import random
import resource
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.support.bundles import write_tiny_bundle
from timbre_inference.batch_plan import BatchLimits
from timbre_inference.batcher import Batcher, QueueLimits
from timbre_inference.bundle import Bundle, load_bundle
from timbre_inference.device_thread import DeviceThread
from timbre_inference.engine import Engine
from timbre_inference.jobs import SynthesisJob, Waveform
from timbre_inference.metrics import Metrics
from timbre_inference.synthesis_options import SynthesisOptions

SENTENCES = (
    "Yes.",
    "The sea is calm tonight.",
    "A sentence of middling length stands here, among others.",
    "Oh no!",
    "Nobody who heard it once would ever have believed that it could be said in fewer words than these, or in more.",
    "It rained all week.",
    "Where did you put the other one, and why did you not tell me?",
    "Good night, and good luck.",
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(str(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")))


@pytest.fixture(scope="module")
def jobs(bundle: Bundle) -> list[SynthesisJob]:
    tokenizer = bundle.tokenizer()
    return [
        SynthesisJob(
            tuple(tokenizer.encode(sentence)),
            bundle.voices["one" if index % 2 else "two"],
            SynthesisOptions(seed=index, speaking_rate=0.8 + index / 16),
            deadline=float("inf"),
        )
        for index, sentence in enumerate(SENTENCES)
    ]


@pytest.fixture
async def served(bundle: Bundle) -> AsyncIterator[tuple[Batcher, Metrics]]:
    """A batcher that takes all eight at once, and pads as much as it likes."""
    metrics, device = Metrics(), DeviceThread()
    device.start()
    engine = Engine(bundle.load_family("cpu"), "cpu", BatchLimits(8, 40_000, max_padded_share=1.0), metrics)
    batcher = Batcher(engine, device, metrics, QueueLimits(max_waiting=256, max_queue_delay=0.02))
    batcher.start()
    yield batcher, metrics
    await batcher.stop()
    device.stop()


async def test_eight_sentences_sound_the_same_alone_and_together(
    served: tuple[Batcher, Metrics], jobs: Sequence[SynthesisJob]
) -> None:
    batcher, metrics = served
    alone = [await batcher.synthesize(job) for job in jobs]
    together = await speak_together(batcher, jobs)
    assert metrics.registry.get_sample_value("timbre_batch_size_bucket", {"stage": "decode", "le": "4.0"}) == len(jobs)
    assert metrics.registry.get_sample_value("timbre_batch_size_sum", {"stage": "decode"}) == 2 * len(jobs)
    for one, other in zip(alone, together, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


async def test_a_sentence_is_repeated_exactly(served: tuple[Batcher, Metrics], jobs: Sequence[SynthesisJob]) -> None:
    first, second = [await served[0].synthesize(jobs[2]) for _ in range(2)]
    np.testing.assert_array_equal(first, second)


async def test_memory_stays_flat_over_hundreds_of_random_requests(
    served: tuple[Batcher, Metrics], jobs: Sequence[SynthesisJob]
) -> None:
    batcher, _ = served
    choose = random.Random(0)  # noqa: S311 - the same requests at every run
    short = [job for job in jobs if len(job.tokens) < 100]
    for _ in range(10):
        await speak_together(batcher, choose.choices(short, k=8))
    before = resident_bytes()
    for _ in range(20):
        await speak_together(batcher, choose.choices(short, k=8))
    assert resident_bytes() - before < 32 * 2**20


async def speak_together(batcher: Batcher, jobs: Sequence[SynthesisJob]) -> list[Waveform]:
    async with await batcher.synthesize_all(jobs) as speech:
        return [waveform async for waveform in speech]


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
