"""The one thread that owns the device: work goes in from the event loop, results come back to it."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class DeviceThread:
    """A daemon: a device that hangs must not keep the process from ending."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._busy_since: float | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take work."""
        self._thread = threading.Thread(target=self._serve, name="device", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[], T]) -> T:
        """Do it on the device's thread; work that has begun is not interrupted by cancelling."""
        return await asyncio.wrap_future(self._submit(work))

    def busy_for(self) -> float:
        """Seconds that the present piece of work has taken so far; any thread may ask."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def stop(self) -> None:
        """End after the present piece of work, without waiting for it."""
        self._work.put(None)

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._work.put((work, future))
        return future

    def _serve(self) -> None:
        while (entry := self._work.get()) is not None:
            work, future = entry
            if not future.set_running_or_notify_cancel():
                continue
            self._busy_since = time.monotonic()
            _settle(future, work)
            self._busy_since = None
            # The last batch's tensors must not live on in this frame until the next one comes.
            del entry, work, future


def _settle(future: Future[T], work: Callable[[], T]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised again where the work was asked for
        future.set_exception(error)
    else:
        future.set_result(result)
