"""What the probes are told: where the process stands in its life, and whether its two threads still move."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

HEARTBEAT_SECONDS = 1.0


class Phase(StrEnum):
    """Each phase answers the probes differently."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """To a probe: 200 when ok, else 503."""

    ok: bool
    reason: str


@dataclass
class Health:
    """Written by the event loop, read by the ops thread: single attributes, so without a lock."""

    stuck_after: float
    device_busy_for: Callable[[], float]
    phase: Phase = Phase.STARTING
    doing: str = "reading the settings"
    """While it starts: what, for whoever watches /readyz."""
    last_beat: float = field(default_factory=time.monotonic)

    async def beat(self) -> None:
        """Run for ever on the API's event loop; a loop that hangs stops beating."""
        while True:
            self.last_beat = time.monotonic()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def alive(self) -> Answer:
        """Whether only a restart would help; a slow start is the startup probe's affair."""
        if self.phase is Phase.FAILED:
            return Answer(False, self.doing)
        if self.phase is Phase.STARTING:
            return Answer(True, self.doing)
        if (silent := time.monotonic() - self.last_beat) > self.stuck_after:
            return Answer(False, f"the event loop has not moved for {silent:.0f} s")
        if (busy := self.device_busy_for()) > self.stuck_after:
            return Answer(False, f"the device has worked on one batch for {busy:.0f} s")
        return Answer(True, "ok")

    def ready(self) -> Answer:
        """Whether new requests should come here."""
        if self.phase is not Phase.READY:
            return Answer(False, f"{self.phase}: {self.doing}")
        return self.alive()

    def started(self) -> Answer:
        """Whether the start is over."""
        return Answer(self.phase is not Phase.STARTING, self.doing)
