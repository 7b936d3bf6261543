"""Progress for people: one line a step, with the time it took."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tools.cluster.config import ClusterError


def say(text: str) -> None:
    print(f"timbre: {text}", file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Says what is going on, and afterwards how long it took."""
    say(f"{title} …")
    started = time.monotonic()
    yield
    say(f"{title}: {time.monotonic() - started:.1f} s")


def wait_until(condition: Callable[[], bool], what: str, seconds: float, interval: float = 0.2) -> None:
    """Polls until the condition holds; an error names what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not after {seconds:.0f} s")
        time.sleep(interval)
