"""The database's clock, by which all nodes go."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from router import clock

#: The present moment by the database's clock, in SQL. Inside a transaction too, where now() is when that began.
NOW = "extract(epoch FROM clock_timestamp())::float8"


def follow(execute: Callable[[str], Any]) -> None:
    """Ask what time it is and follow that; as exact as half of the time that the question takes."""
    asked = time.monotonic()
    [moment] = execute(f"SELECT {NOW}").fetchone()
    heard(moment, asked)


def heard(moment: float, asked: float) -> None:
    """Follow *moment*, the answer of the database to what was *asked* then, by the monotonic clock."""
    half = (time.monotonic() - asked) / 2
    clock.follow(moment + half, within=half)
