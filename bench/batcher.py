"""What the queue itself costs: the batcher over a device that takes no time at all.

python bench/batcher.py --json OUT
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from timbre_inference.batch_plan import BatchLimits, bucket, pick_batch
from timbre_inference.batcher import Batcher, Embedding, QueueLimits
from timbre_inference.device_thread import DeviceThread
from timbre_inference.jobs import SynthesisJob, Waveform
from timbre_inference.metrics import Metrics
from timbre_inference.queued import QueuedRow
from timbre_inference.synthesis_options import SynthesisOptions

SILENCE = np.zeros(22_050, np.float32)


class InstantSpeaker:
    """Every sentence at once."""

    limits = BatchLimits(16, 16_000)
    max_row_frames = 16_000

    def estimate(self, job: SynthesisJob) -> int:
        return len(job.tokens) * 3

    def seconds(self, frames: int) -> float:
        return frames / 86

    def too_long(self, frames: int) -> str:
        return f"{frames} frames"

    def speak(self, rows: Sequence[QueuedRow]) -> None:
        for row in rows:
            row.finish(SILENCE)

    def embed(self, waveform: Waveform) -> Embedding:
        return waveform[:192]


def job(tokens: int) -> SynthesisJob:
    return SynthesisJob(tuple(range(tokens)), SILENCE[:192], SynthesisOptions(0), time.monotonic() + 60)


async def measure(sentences: int, clients: int) -> dict[str, float]:
    """Seconds a sentence alone, and sentences a second with many clients."""
    device = DeviceThread()
    device.start()
    batcher = Batcher(InstantSpeaker(), device, Metrics(), QueueLimits(max_waiting=256, max_queue_delay=0.0))
    batcher.start()
    alone = []
    for _ in range(sentences):
        started = time.perf_counter()
        await batcher.synthesize(job(60))
        alone.append(time.perf_counter() - started)
    started = time.perf_counter()
    await asyncio.gather(*(_client(batcher, sentences // clients, seed) for seed in range(clients)))
    elapsed = time.perf_counter() - started
    await batcher.stop()
    device.stop()
    return {
        "alone_p50_seconds": statistics.median(alone),
        "alone_p99_seconds": statistics.quantiles(alone, n=100)[98],
        "sentences_per_second": sentences / elapsed,
    }


async def _client(batcher: Batcher, sentences: int, seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(20, 300, sentences)
    for length in lengths:
        await batcher.synthesize(job(int(length)))


def planning_seconds(waiting: int) -> float:
    """To choose and regroup one batch out of a full queue."""
    frames = [int(length) for length in np.random.default_rng(0).integers(50, 1700, waiting)]
    limits = BatchLimits(16, 16_000)
    started = time.perf_counter()
    for _ in range(100):
        bucket([frames[index] for index in pick_batch(frames, limits)], limits)
    return (time.perf_counter() - started) / 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sentences", type=int, default=2000)
    arguments = parser.parse_args()
    figures = asyncio.run(measure(arguments.sentences, clients=64))
    figures["planning_seconds_of_256_waiting"] = planning_seconds(256)
    text = json.dumps(figures, indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
