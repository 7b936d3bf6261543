"""The threads that blocking work runs on: decoding, encoding, phonemes, files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from timbre_inference.errors import OverloadedError

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """A bounded pool: `threads` calls run, `max_waiting` wait, one more is refused as `OverloadedError`."""

    def __init__(self, threads: int, max_waiting: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="timbre-worker")
        self._limit = threads + max_waiting
        self._unfinished = 0

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `call`, from a thread. Cancelling abandons the result, not the running call."""
        if self._unfinished >= self._limit:
            raise OverloadedError
        loop = asyncio.get_running_loop()
        self._unfinished += 1
        future = self._executor.submit(call, *args, **kwargs)
        future.add_done_callback(lambda done: self._leave(loop, done))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Stop taking work; what runs is left to finish."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _leave(self, loop: asyncio.AbstractEventLoop, _done: Future[T]) -> None:
        # Done callbacks run on the pool's thread: the count belongs to the loop's. A closed loop counts no more.
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._count_down)

    def _count_down(self) -> None:
        self._unfinished -= 1
