"""A table of where the time went."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tools.cluster.terminal import say


@dataclass
class Timings:
    rows: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        say(f"{title} …")
        started = time.monotonic()
        try:
            yield
        finally:
            self.rows.append((title, time.monotonic() - started))

    def table(self) -> str:
        total = ("in all", sum(seconds for _, seconds in self.rows))
        lines = [f"  {_clock(seconds):>7}  {title}" for title, seconds in (*self.rows, total)]
        return "\n".join(("where the time went (min:s)", *lines))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
