"""Moments on the wall clock of a zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from router import clock


@pytest.mark.parametrize(
    ("zone", "at", "began"),
    [
        ("Europe/London", "2026-07-01T00:00+01:00", "2026-07-01T00:00+01:00"),
        ("Europe/London", "2026-07-01T23:59+01:00", "2026-07-01T00:00+01:00"),
        # The day on which summer time begins has 23 hours, and the day on which it ends 25.
        ("Europe/London", "2026-03-29T23:30+01:00", "2026-03-29T00:00+00:00"),
        ("Europe/London", "2026-10-25T23:30+00:00", "2026-10-25T00:00+01:00"),
        ("Asia/Tokyo", "2026-07-01T16:00+00:00", "2026-07-02T00:00+09:00"),
        # A midnight that there is not, and one that comes twice.
        ("Africa/Cairo", "2026-04-24T09:00+03:00", "2026-04-24T01:00+03:00"),
        ("America/Havana", "2026-11-01T09:00-05:00", "2026-11-01T00:00-04:00"),
    ],
)
def test_a_day_begins_at_midnight_on_the_wall_clock_of_its_zone(zone, at, began):
    moments = [datetime.fromisoformat(one).timestamp() for one in (at, began)]

    assert clock.midnight(moments[0], ZoneInfo(zone)) == moments[1]
