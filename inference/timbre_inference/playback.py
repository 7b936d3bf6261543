"""Whether a listener who plays a stream as it comes has had to wait for more of it."""

from __future__ import annotations


class Playback:
    """Follows the one sound that matters: the end of what was sent so far, if it has been played since it came."""

    def __init__(self) -> None:
        self._ends: float | None = None
        self.underran = False

    def sent(self, now: float, audio_seconds: float) -> bool:
        """Note that speech was sent at `now`; True the first time that it came after the listener ran out."""
        late = self._ends is not None and now > self._ends
        first_time = late and not self.underran
        self.underran = self.underran or late
        self._ends = max(now, self._ends or now) + audio_seconds
        return first_time
