"""Moments in and out of text. Everywhere else a moment is seconds since 1970 (UTC), as a float."""

from __future__ import annotations

import time
from datetime import UTC, datetime, tzinfo

#: The only readers of the machine's clock that other modules may be given.
now = time.time


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
