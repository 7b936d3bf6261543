"""Which sentences run together, in tables and by properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbre_inference.batch_plan import BatchLimits, FrameBudget, bucket, limits_for, pick_batch, time_to_wait

LIMITS = BatchLimits(max_batch_size=4, max_batch_frames=400, max_padded_share=0.25)

frame_counts = st.lists(st.integers(1, 1000), max_size=60)
limits = st.builds(
    BatchLimits,
    max_batch_size=st.integers(1, 20),
    max_batch_frames=st.integers(1, 5000),
    max_padded_share=st.floats(0, 1),
)


@pytest.mark.parametrize(
    ("frames", "picked"),
    [
        pytest.param([], (), id="nothing waits"),
        pytest.param([100], (0,), id="one goes alone"),
        pytest.param([100, 100, 100], (0, 1, 2), id="equals go together"),
        pytest.param([50] * 6, (0, 1, 2, 3), id="no more rows than the limit"),
        pytest.param([100, 300, 90, 110], (0, 2, 3), id="nearest in length joins the oldest"),
        pytest.param([150, 150, 150], (0, 1), id="rows times longest stays under the budget"),
        pytest.param([100, 10], (0,), id="padding would be more than its share"),
        pytest.param([900, 100], (0,), id="larger than the budget goes alone"),
        pytest.param([100, 390, 100], (0, 2), id="a neighbour that does not fit is passed over"),
        pytest.param([10, 390, 390], (0,), id="the oldest goes even when others would pack better"),
    ],
)
def test_the_next_batch_is(frames: list[int], picked: tuple[int, ...]) -> None:
    assert pick_batch(frames, LIMITS) == picked


@given(frame_counts, limits)
def test_a_batch_has_the_oldest_once_and_keeps_its_limits(frames: list[int], limits: BatchLimits) -> None:
    picked = pick_batch(frames, limits)
    assert len(set(picked)) == len(picked) <= limits.max_batch_size
    assert picked[:1] == ((0,) if frames else ())
    assert_within_limits([frames[index] for index in picked], limits)


@pytest.mark.parametrize(
    ("frames", "buckets"),
    [
        pytest.param([], (), id="nothing"),
        pytest.param([100, 100], ((0, 1),), id="equals stay together"),
        pytest.param([100, 20, 95, 18], ((0, 2), (1, 3)), id="two lengths, two groups"),
        pytest.param([20, 100, 18, 95], ((0, 2), (1, 3)), id="the most urgent row's group first"),
        pytest.param([900, 100], ((0,), (1,)), id="larger than the budget stays alone"),
    ],
)
def test_rows_are_regrouped_by_true_length(frames: list[int], buckets: tuple[tuple[int, ...], ...]) -> None:
    assert tuple(tuple(sorted(group)) for group in bucket(frames, LIMITS)) == buckets


@given(frame_counts, limits)
def test_regrouping_loses_and_doubles_nothing(frames: list[int], limits: BatchLimits) -> None:
    groups = bucket(frames, limits)
    assert sorted(index for group in groups for index in group) == list(range(len(frames)))
    for group in groups:
        assert_within_limits([frames[index] for index in group], limits)


@given(frame_counts, limits)
def test_a_queue_served_batch_by_batch_ends(frames: list[int], limits: BatchLimits) -> None:
    waiting = list(enumerate(frames))
    served: list[int] = []
    while waiting:
        picked = pick_batch([length for _, length in waiting], limits)
        served += [waiting[index][0] for index in picked]
        waiting = [entry for position, entry in enumerate(waiting) if position not in picked]
    assert sorted(served) == list(range(len(frames)))


def assert_within_limits(rows: list[int], limits: BatchLimits) -> None:
    if len(rows) > 1:
        padded = len(rows) * max(rows)
        assert padded <= limits.max_batch_frames
        assert padded - sum(rows) <= limits.max_padded_share * padded
        assert len(rows) <= limits.max_batch_size


@pytest.mark.parametrize(
    ("device", "memory", "batch", "row"),
    [
        pytest.param("cuda", 16_000, 16_000, 16_000, id="a GPU batches what its memory holds"),
        pytest.param("cpu", 4_000, 1_200, 2_400, id="a CPU gains nothing from large batches"),
        pytest.param("cpu", 800, 800, 800, id="a small budget is kept on a CPU too"),
    ],
)
def test_limits_of_a_device(device: str, memory: int, batch: int, row: int) -> None:
    limits = limits_for(device, 16, memory)
    assert (limits.max_batch_frames, limits.max_row_frames) == (batch, row)


@pytest.mark.parametrize(
    ("waiting", "previous_rows", "since", "delay"),
    [
        pytest.param(1, 0, 1e9, 0.0, id="the first ever goes at once"),
        pytest.param(1, 8, 5.0, 0.0, id="an idle device goes at once"),
        pytest.param(1, 1, 0.0, 0.0, id="no company before, none expected"),
        pytest.param(3, 8, 0.005, 0.015, id="right after a full batch its clients are given a moment"),
        pytest.param(8, 8, 0.005, 0.0, id="all are back already"),
    ],
)
def test_waiting_for_company(waiting: int, previous_rows: int, since: float, delay: float) -> None:
    assert time_to_wait(waiting, previous_rows, since, 0.02) == pytest.approx(delay)


def test_a_frame_budget_halves_at_once_and_recovers_slowly() -> None:
    budget = FrameBudget(1600, 1600).after_exhaustion(1600)
    assert budget.frames == 800
    quiet = 0
    while budget.frames == 800:
        budget, quiet = budget.after_success(), quiet + 1
    assert (budget.frames, quiet) == (900, 64)
    for _ in range(64 * 7):
        budget = budget.after_success()
    assert budget.frames == 1600
    assert budget.after_success() is budget


def test_a_frame_budget_has_a_floor() -> None:
    budget = FrameBudget(1600, 1600)
    for _ in range(20):
        budget = budget.after_exhaustion(budget.frames)
    assert budget.frames == 100
