"""The queue that every event goes through."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbre_operator.workqueue import Backoff, WorkQueue


async def test_a_hundred_events_for_one_key_are_one_pass() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(100):
        queue.add("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_what_happens_during_a_pass_makes_exactly_one_more() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a")
    assert len(queue) == 1
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_a_key_is_never_worked_on_twice_at_a_time() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    second = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not second.done()
    queue.done("a")
    assert await second == "a"


async def test_urgent_keys_go_first() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("b")
    queue.add("new", urgent=True)
    assert [await queue.get() for _ in range(3)] == ["new", "a", "b"]


async def test_the_soonest_of_several_wishes_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 3600)
    queue.add_after("a", 0)
    queue.add_after("a", 3600)
    assert await asyncio.wait_for(queue.get(), 5) == "a"
    queue.close()


async def test_a_closed_queue_forgets_what_was_put_off() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0)
    queue.close()
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(queue) == 0


def test_delays_double_up_to_a_cap_and_start_anew_after_success() -> None:
    backoff: Backoff[str] = Backoff(first=1, cap=8)
    delays = [backoff.next("a") for _ in range(6)]
    assert delays == [pytest.approx(expected, rel=0.21) for expected in (1, 2, 4, 8, 8, 8)]
    backoff.forget("a")
    assert backoff.next("a") == pytest.approx(1, rel=0.21)


def test_the_api_servers_own_wish_is_respected() -> None:
    assert Backoff[str](first=1, cap=8).next("a", at_least=30) == 30


@given(st.lists(st.sampled_from(["add a", "add b", "get", "done"]), max_size=40))
def test_no_key_is_ever_lost(steps: list[str]) -> None:
    """Whatever the order: a key that was added after its last pass began has a pass ahead of it."""
    asyncio.run(_play(steps))


async def _play(steps: list[str]) -> None:
    queue: WorkQueue[str] = WorkQueue()
    owed: set[str] = set()
    working: list[str] = []
    for step in steps:
        if step.startswith("add"):
            owed.add(step[-1])
            queue.add(step[-1])
        elif step == "done" and working:
            queue.done(working.pop())
        elif step == "get" and owed - set(working):
            key = await asyncio.wait_for(queue.get(), 1)
            assert key not in working
            owed.discard(key)
            working.append(key)
    for key in working:
        queue.done(key)
    assert len(queue) == len(owed)
