"""A sentence between its request and the device, and how an outcome crosses from one thread to the other."""

from __future__ import annotations

import asyncio
import time
from typing import TypeVar

from timbre_inference.errors import TimbreError
from timbre_inference.jobs import SynthesisJob, Waveform

Outcome = TypeVar("Outcome")


class QueuedRow:
    """A sentence between its request and the device; `finish`, `fail` and `wanted` run on the device's thread."""

    def __init__(self, job: SynthesisJob, frames: int, due: float, loop: asyncio.AbstractEventLoop) -> None:
        self.job = job
        self.frames = frames
        self.due = due
        self.enqueued_at = time.monotonic()
        self.future: asyncio.Future[Waveform] = loop.create_future()
        self._loop = loop
        self.abandoned = False

    def wanted(self) -> bool:
        """Whether somebody still waits for it."""
        return not self.abandoned and not self.expired()

    def expired(self) -> bool:
        """Whether its time has run out."""
        return time.monotonic() >= self.job.deadline

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        self.abandoned = True

    def finish(self, waveform: Waveform) -> None:
        """Hand the sound to whoever waits."""
        self._loop.call_soon_threadsafe(self.settle, waveform)

    def fail(self, error: TimbreError) -> None:
        """Hand the failure to whoever waits."""
        self._loop.call_soon_threadsafe(self.settle, error)

    def settle(self, outcome: Waveform | TimbreError) -> None:
        """The same on the event loop's thread; the first outcome counts."""
        settle(self.future, outcome)


def settle(future: asyncio.Future[Outcome], outcome: Outcome | TimbreError) -> None:
    """On the event loop's thread; a future that is done already stays as it is."""
    if future.done():
        return
    if isinstance(outcome, TimbreError):
        future.set_exception(outcome)
        # A request that stopped at an earlier sentence never asks for this one; that is no reason to log.
        future.exception()
    else:
        future.set_result(outcome)
