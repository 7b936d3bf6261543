"""Keys that need a pass: each at most once in the queue, and never worked on twice at a time."""

import asyncio
import itertools
import random
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Bounded by the number of keys: whatever happens to a key while it waits or is worked on makes one more pass."""

    def __init__(self) -> None:
        self._waiting: asyncio.PriorityQueue[tuple[bool, int, K]] = asyncio.PriorityQueue()
        self._order = itertools.count()
        self._queued: set[K] = set()
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._later: dict[K, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._queued) + len(self._again)

    def add(self, key: K, *, urgent: bool = False) -> None:
        """Asks for a pass as soon as a worker is free; urgent keys go before all others."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._waiting.put_nowait((not urgent, next(self._order), key))

    def add_after(self, key: K, delay: float) -> None:
        """Asks for a pass in `delay` seconds; of several such wishes for one key the soonest counts."""
        loop = asyncio.get_running_loop()
        pending = self._later.get(key)
        if pending and pending.when() <= loop.time() + delay:
            return
        if pending:
            pending.cancel()
        self._later[key] = loop.call_later(delay, self._add_now, key)

    async def get(self) -> K:
        _, _, key = await self._waiting.get()
        self._queued.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        for handle in self._later.values():
            handle.cancel()
        self._later.clear()

    def _add_now(self, key: K) -> None:
        self._later.pop(key, None)
        self.add(key)


class Backoff(Generic[K]):
    """Doubling delays a key, with a cap, and a spread so that many keys do not come back at once."""

    def __init__(self, first: float = 0.25, cap: float = 60.0) -> None:
        self._first = first
        self._cap = cap
        self._failures: dict[K, int] = {}

    def next(self, key: K, at_least: float = 0.0) -> float:
        failures = self._failures.get(key, 0)
        self._failures[key] = min(failures + 1, 30)
        delay = min(self._cap, self._first * 2.0**failures) * random.uniform(0.8, 1.2)  # noqa: S311 - not a secret
        return max(delay, at_least)

    def forget(self, key: K) -> None:
        self._failures.pop(key, None)
