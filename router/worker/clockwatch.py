"""Whether the wall clock can be believed: it is held against the monotonic one, which nobody sets."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds by which the two may part before nothing is ended for being old.
TOLERANCE = 60.0


class ClockWatch:
    """Notices when the wall clock jumps. Until it is back, or the daemon is started again, age proves nothing."""

    def __init__(self, now: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset = now - monotonic()

    def off_by(self, now: float) -> float:
        """Return by how many seconds the wall clock is off from where it should be by now."""
        return now - self._monotonic() - self._offset

    def believes(self, now: float) -> bool:
        """Whether *now* is close enough to what time should have made of it."""
        return abs(self.off_by(now)) <= TOLERANCE
