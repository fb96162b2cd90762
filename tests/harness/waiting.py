"""Waiting for something to become true. The only place in the tests that lets time pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], deadline: float = 20.0, *, what: str = "", every: float = 0.01) -> T:
    """Return the first truthy result of *condition*; raise AssertionError when *deadline* seconds bring none.

    An OSError or ValueError out of *condition* (nothing listens yet, a file is half-written) means not yet.
    """
    end = time.monotonic() + deadline
    last: object = None
    while True:
        try:
            result = condition()
        except (OSError, ValueError) as ex:
            last = ex
        else:
            if result:
                return result
            last = result
        if time.monotonic() >= end:
            raise AssertionError(f"{what or condition} did not come true within {deadline:g} s; last: {last!r}")
        time.sleep(every)  # between two looks at the condition; the one place where tests wait


def pause(seconds: float) -> None:
    """Let a benchmark or a load run for *seconds*; a test waits with ``until`` instead."""
    time.sleep(seconds)  # a load lasts as long as it is said to; no test concludes anything from it
