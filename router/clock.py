"""What time it is, and moments in and out of text. Everywhere else a moment is seconds since 1970 (UTC), as a float.

Nodes on one database go by its clock, and not each by its own: what one has stamped another compares with. So a node
hears the time from the database again and again, and in between counts on by the clock of its machine that nobody
sets. All processes of a daemon go by what any of them has heard, the senders too, which never speak with a database.
"""

from __future__ import annotations

import math
import mmap
import time
from datetime import UTC, datetime, tzinfo

# Shared with every process that is forked from here on: by how much the followed clock is ahead of the monotonic one,
# which on Linux is the same in all processes of a machine. Eight bytes at one address are read and written at once.
_ahead = memoryview(mmap.mmap(-1, 8)).cast("d")
_ahead[0] = math.nan


def now() -> float:
    """Return the present moment by the clock that is followed: the machine's own, until ``follow`` names another."""
    ahead = _ahead[0]
    return time.time() if math.isnan(ahead) else ahead + time.monotonic()


def follow(moment: float | None, within: float = 0.0) -> None:
    """Take *moment*, known to be right *within* so many seconds, for now, in all processes that share this clock.

    What is followed already is left alone where *moment* does not contradict it. None: follow the machine's own again.
    """
    if moment is None:
        _ahead[0] = math.nan
    # Not a number is never near: what is followed for the first time is taken as it is.
    elif not abs(moment - now()) <= within or math.isnan(_ahead[0]):
        _ahead[0] = moment - time.monotonic()


def parse(text: str) -> float:
    """Return the moment that the ISO 8601 *text* names; without a zone it is taken as UTC.

    Raises ValueError when *text* is no such moment.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def text(moment: float) -> str:
    """Return *moment* as the sender writes it: ``2025-09-22T12:56:38.547Z``."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(moment: float, zone: tzinfo) -> datetime:
    """Return *moment* on the wall clock of *zone*."""
    return datetime.fromtimestamp(moment, zone)


def midnight(moment: float, zone: tzinfo) -> float:
    """Return when the day of *moment* began on the wall clock of *zone*."""
    return local(moment, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp()
