"""The ``hours:`` block, from its text to what holds when."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from router.config import load
from router.hours import names_that_hold
from tests.config.plugins import REGISTRY

HOURS = """
timezone: Europe/London
hours:
  business:
    - {days: mon-fri, from: 09:00, to: 12:30}
    - {days: [mon-thu, sat], from: "13:30", to: "17:30", except: [2026-12-23, 2026-12-28/2027-01-01, 12-26]}
    - {dates: [2026-12-24], from: "09:00", to: "12:00"}
  weekend: [{days: fri-mon, from: "00:00", to: "24:00"}]
  new-york:
    timezone: America/New_York
    except: [{file: holidays.ics}, 2026-11-27]
    intervals: [{days: mon-fri, from: "22:00", to: "06:00"}]
"""
HOLIDAYS = """BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:Thanksgiving
DTSTART;VALUE=DATE:20261126
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture
def loaded(config: Any, tmp_path: Path) -> Any:
    (tmp_path / "holidays.ics").write_text(HOLIDAYS)
    return config(HOURS)


def held(loaded: Any, text: str, zone: str = "Europe/London") -> list[str]:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
    return names_that_hold({name: hours for name, hours in loaded.hours.items() if name != "weekend"}, moment)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("2026-12-16T12:00", ["business"]),
        ("2026-12-16T13:00", []),
        ("2026-12-16T17:00", ["business"]),
        ("2026-12-18T14:00", []),
        ("2026-12-19T14:00", ["business"]),
        ("2026-12-23T11:30", ["business"]),
        ("2026-12-23T14:00", []),
        ("2026-12-24T11:00", ["business"]),
        ("2026-12-24T14:00", []),
        ("2026-12-26T14:00", []),
        ("2026-12-30T14:00", []),
        ("2027-12-29T14:00", ["business"]),
    ],
)
def test_hours_hold_as_they_are_written(loaded: Any, text: str, names: list[str]) -> None:
    assert held(loaded, text) == names


def test_a_range_of_days_may_go_over_the_weekend(loaded: Any) -> None:
    weekend = loaded.hours["weekend"]
    noons = [datetime(2026, 3, day, 12, tzinfo=UTC).timestamp() for day in range(2, 9)]

    assert [weekend.holds(noon) for noon in noons] == [True, False, False, False, True, True, True]


def test_hours_with_a_time_zone_and_exceptions_of_their_own_keep_to_them(loaded: Any) -> None:
    evenings = [f"2026-11-{day}T23:00" for day in (25, 26, 27, 28)]

    # What began on Wednesday goes on into the holiday.
    assert [held(loaded, text, "America/New_York") for text in (*evenings, "2026-11-26T03:00")] == [
        ["new-york"], [], [], [], ["new-york"],
    ]  # fmt: skip


def test_the_decider_is_given_the_hours(loaded: Any) -> None:
    assert loaded.decider.hours is loaded.hours


def test_a_configuration_without_hours_has_none(config: Any) -> None:
    assert config("").hours == {}


def test_good_hours_bring_no_warning(loaded: Any) -> None:
    assert loaded.warnings == ()


def test_intervals_that_meet_do_not_overlap(config: Any) -> None:
    text = 'hours: {a: [{days: mon, from: "22:00", to: "06:00"}, {days: tue, from: "06:00", to: "07:00"}]}'

    assert config(text).warnings == ()


def test_a_calendar_file_that_changes_makes_another_version(config: Any, loaded: Any, tmp_path: Path) -> None:
    same = config(HOURS).version
    (tmp_path / "holidays.ics").write_text(HOLIDAYS.replace("1126", "1125"))

    assert (same == loaded.version, config(HOURS).version == loaded.version) == (True, False)


def test_hours_are_read_again_from_the_snapshot_without_their_calendar_file(loaded: Any, tmp_path: Path) -> None:
    (tmp_path / "holidays.ics").unlink()

    again = load(loaded.path, {}, registry=REGISTRY, snapshot=loaded.snapshot)

    assert (again.hours, again.version) == (loaded.hours, loaded.version)
