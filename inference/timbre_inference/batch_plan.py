"""Which sentences run together: decided from lengths alone, so that a table can test it.

A padded batch costs `rows * longest` frames whatever it holds; that product bounds both its time and its
memory, and the share of it that is padding is what batching wastes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

CPU_BATCH_FRAMES = 1200
"""14 s of speech. A larger batch gains nothing on a CPU, and makes whoever comes next wait for its end."""

CPU_ROW_FRAMES = 2400
"""28 s of speech. The built-in vocoder holds 0.8 MB a frame on a CPU: this much fits into a pod of 3 GiB."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one batch may hold."""

    max_batch_size: int
    max_batch_frames: int
    max_padded_share: float = 0.25
    """Of rows * longest, at most this much may be padding."""
    lone_row_frames: int = 0
    """A row longer than max_batch_frames runs alone up to this, and is refused beyond."""

    @property
    def max_row_frames(self) -> int:
        """The longest row that is spoken at all."""
        return max(self.max_batch_frames, self.lone_row_frames)

    def allow(self, rows: int, longest: int, total: int) -> bool:
        """Whether a batch of `rows` with `total` real frames may run; one row always may."""
        if rows <= 1:
            return True
        padded = rows * longest
        return (
            rows <= self.max_batch_size
            and padded <= self.max_batch_frames
            and padded - total <= self.max_padded_share * padded
        )


def pick_batch(frames: Sequence[int], limits: BatchLimits) -> tuple[int, ...]:
    """Indices of the next batch out of what waits, most urgent first.

    The first of the queue always goes; then whoever is nearest to it in length, the more urgent of equals,
    while the limits hold.
    """
    if not frames:
        return ()
    picked, longest, total = [0], frames[0], frames[0]
    for index in sorted(range(1, len(frames)), key=lambda index: abs(frames[index] - frames[0])):
        if len(picked) == limits.max_batch_size:
            break
        candidate = max(longest, frames[index])
        if limits.allow(len(picked) + 1, candidate, total + frames[index]):
            picked.append(index)
            longest, total = candidate, total + frames[index]
    return tuple(picked)


def bucket(frames: Sequence[int], limits: BatchLimits) -> tuple[tuple[int, ...], ...]:
    """All rows, regrouped by their true lengths; the group with the most urgent row is heard first."""
    buckets: list[tuple[int, ...]] = []
    current: list[int] = []
    longest = total = 0
    for index in sorted(range(len(frames)), key=lambda index: frames[index], reverse=True):
        if current and limits.allow(len(current) + 1, longest, total + frames[index]):
            current.append(index)
            total += frames[index]
            continue
        if current:
            buckets.append(tuple(current))
        current, longest, total = [index], frames[index], frames[index]
    if current:
        buckets.append(tuple(current))
    return tuple(sorted(buckets, key=min))


def limits_for(device: str, max_batch_size: int, max_batch_frames: int) -> BatchLimits:
    """Limits of a device whose memory holds `max_batch_frames`."""
    if device != "cpu":
        return BatchLimits(max_batch_size, max_batch_frames)
    lone_row = min(CPU_ROW_FRAMES, max_batch_frames)
    return BatchLimits(max_batch_size, min(CPU_BATCH_FRAMES, max_batch_frames), lone_row_frames=lone_row)


def time_to_wait(waiting: int, previous_rows: int, since_previous: float, max_queue_delay: float) -> float:
    """Seconds to wait for company before the next batch; 0 goes at once.

    An idle device takes what comes. Right after a batch of many rows, though, the clients that it answered
    are about to send their next sentence: going with the first of them would leave the others a batch behind.
    """
    if waiting >= previous_rows:
        return 0.0
    return max(0.0, max_queue_delay - since_previous)


GROW_AFTER = 64
"""Batches without trouble before a lowered budget is raised a step."""


@dataclass(frozen=True, slots=True)
class FrameBudget:
    """What the device's memory has been seen to hold: halved when it ran out, raised slowly after."""

    ceiling: int
    frames: int
    quiet_batches: int = 0

    def after_exhaustion(self, batch_frames: int) -> FrameBudget:
        """A batch of `batch_frames` did not fit."""
        floor = max(1, self.ceiling // 16)
        return replace(self, frames=max(floor, min(self.frames, batch_frames // 2)), quiet_batches=0)

    def after_success(self) -> FrameBudget:
        """A batch did fit."""
        if self.frames == self.ceiling:
            return self
        if self.quiet_batches + 1 < GROW_AFTER:
            return replace(self, quiet_batches=self.quiet_batches + 1)
        raised = self.frames + max(1, self.ceiling // 16)
        return replace(self, frames=min(self.ceiling, raised), quiet_batches=0)
