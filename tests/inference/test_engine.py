"""The device's side: regrouping, failures that stay with their row, memory that runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.families import BROKEN_TOKEN, LONG_TOKEN, SILENT_NAN_TOKEN, CountingFamily
from timbre_inference.batch_plan import BatchLimits
from timbre_inference.engine import DeviceLostError, Engine
from timbre_inference.errors import InternalError, JobTooLargeError, TimbreError
from timbre_inference.jobs import SynthesisJob, Waveform
from timbre_inference.metrics import Metrics
from timbre_inference.synthesis_options import SynthesisOptions

LIMITS = BatchLimits(max_batch_size=8, max_batch_frames=300, lone_row_frames=600)


class Row:
    """A job that keeps what became of it."""

    def __init__(self, *tokens: int, seed: int = 1, wanted: bool = True) -> None:
        self.job = SynthesisJob(tokens, np.zeros(4, np.float32), SynthesisOptions(seed), float("inf"))
        self.still_wanted = wanted
        self.outcome: Waveform | TimbreError | None = None

    def wanted(self) -> bool:
        return self.still_wanted

    def finish(self, waveform: Waveform) -> None:
        assert self.outcome is None
        self.outcome = waveform

    def fail(self, error: TimbreError) -> None:
        assert self.outcome is None
        self.outcome = error


def engine_of(family: CountingFamily, limits: BatchLimits = LIMITS) -> tuple[Engine, Metrics]:
    metrics = Metrics()
    return Engine(family, "cpu", limits, metrics), metrics


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def rows_of(*lengths: int) -> list[Row]:
    return [Row(*range(length), seed=seed) for seed, length in enumerate(lengths, start=1)]


def assert_spoken(rows: list[Row]) -> None:
    for row in rows:
        assert isinstance(row.outcome, np.ndarray)
        assert row.outcome.dtype == np.float32
        assert len(row.outcome) == 30 * len(row.job.tokens)
        np.testing.assert_allclose(row.outcome, row.job.options.seed / 1000)


def test_every_row_gets_its_own_sound() -> None:
    engine, metrics = engine_of(CountingFamily())
    rows = rows_of(5, 7, 5, 6)
    engine.speak(rows)
    assert_spoken(rows)
    assert value(metrics, "timbre_audio_seconds_total") == pytest.approx(0.01 * 3 * 23)
    assert value(metrics, "timbre_stage_seconds_count", stage="decode") == 1


def test_rows_are_decoded_with_rows_of_their_length() -> None:
    family = CountingFamily()
    engine, metrics = engine_of(family)
    rows = rows_of(5, 30, 5, 29)
    engine.speak(rows)
    assert_spoken(rows)
    assert family.planned == [4]
    assert [sorted(frames) for frames in family.decoded] == [[15, 15], [87, 90]]
    assert value(metrics, "timbre_batch_frames_total", kind="padded") == 3


def test_a_bad_row_fails_alone() -> None:
    engine, metrics = engine_of(CountingFamily())
    bad = Row(1, BROKEN_TOKEN, 2)
    rows = rows_of(3, 3)
    engine.speak([rows[0], bad, rows[1]])
    assert_spoken(rows)
    assert isinstance(bad.outcome, InternalError)
    assert value(metrics, "timbre_failed_sentences_total") == 1


def test_a_row_that_is_no_number_fails_alone() -> None:
    engine, _ = engine_of(CountingFamily())
    bad = Row(1, SILENT_NAN_TOKEN, 2)
    rows = rows_of(3, 3)
    engine.speak([rows[0], bad, rows[1]])
    assert_spoken(rows)
    assert isinstance(bad.outcome, InternalError)


def test_a_row_whose_true_length_is_beyond_all_bounds_is_refused() -> None:
    engine, _ = engine_of(CountingFamily())
    bad = Row(1, LONG_TOKEN, 2)
    rows = rows_of(3, 3)
    engine.speak([rows[0], bad, rows[1]])
    assert_spoken(rows)
    assert isinstance(bad.outcome, JobTooLargeError)


def test_a_row_that_nobody_wants_costs_nothing() -> None:
    family = CountingFamily()
    engine, _ = engine_of(family)
    left = Row(1, 2, wanted=False)
    rows = rows_of(3)
    engine.speak([left, *rows])
    assert_spoken(rows)
    assert left.outcome is None
    assert family.planned == [1]


def test_a_batch_that_does_not_fit_into_memory_is_halved() -> None:
    family = CountingFamily(room=100)
    engine, metrics = engine_of(family)
    rows = rows_of(10, 10, 10, 10, 10, 10)
    engine.speak(rows)
    assert_spoken(rows)
    assert engine.limits.max_batch_frames < LIMITS.max_batch_frames
    assert value(metrics, "timbre_oom_total", recovered="true") >= 1
    assert value(metrics, "timbre_oom_total", recovered="false") == 0


def test_after_memory_ran_out_the_next_batches_fit() -> None:
    family = CountingFamily(room=100)
    engine, metrics = engine_of(family)
    for _ in range(3):
        engine.speak(rows_of(10, 10, 10, 10))
    ran_out = value(metrics, "timbre_oom_total", recovered="true")
    for _ in range(20):
        rows = rows_of(10, 10, 10, 10)
        engine.speak(rows)
        assert_spoken(rows)
    assert value(metrics, "timbre_oom_total", recovered="true") == ran_out


def test_a_row_that_does_not_fit_even_alone_fails_and_its_neighbours_speak() -> None:
    engine, metrics = engine_of(CountingFamily(room=100))
    rows, large = rows_of(10, 10), Row(*range(60))
    engine.speak([rows[0], large, rows[1]])
    assert_spoken(rows)
    assert isinstance(large.outcome, InternalError)
    assert "memory" in large.outcome.message
    assert value(metrics, "timbre_oom_total", recovered="false") == 1


def test_a_lost_device_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    family = CountingFamily()
    engine, _ = engine_of(family)

    def fail(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(family, "decode", fail)
    with pytest.raises(DeviceLostError, match="illegal memory access"):
        engine.speak(rows_of(3, 3))


def test_lengths_are_estimated_from_what_was_spoken() -> None:
    engine, _ = engine_of(CountingFamily(), BatchLimits(8, 10**6))
    for _ in range(30):
        engine.speak([Row(*range(200))])
    assert engine.estimate(Row(*range(100)).job) == pytest.approx(300, rel=0.02)


def test_an_embedding_is_a_vector() -> None:
    engine, metrics = engine_of(CountingFamily())
    embedding = engine.embed(np.full(100, 0.5, np.float32))
    np.testing.assert_allclose(embedding, [0.5] * 4)
    assert value(metrics, "timbre_stage_seconds_count", stage="embed") == 1
