"""``except:`` and ``dates:`` of hours: days as people write them, or out of a calendar file."""

from __future__ import annotations

import calendar
import re
from datetime import date
from pathlib import Path

from router.config import scalars
from router.config.fields import Fields, read_scalar
from router.config.files import Files, TooLarge
from router.config.holidays import Holidays, read_holidays
from router.config.located import Block, Text
from router.config.problems import Problems
from router.hours import NEVER, Dates

#: All holidays of a country for a hundred years are a tenth of it.
_MAX_BYTES = 4 * 1024 * 1024
_EXAMPLES = "write for example 2026-12-25, 2026-12-28/2027-01-01, or 12-25 for every year"


class DateReader:
    """Reads sets of days. Calendar files are looked for in *folder*."""

    def __init__(self, folder: Path, files: Files, problems: Problems) -> None:
        self._folder = folder
        self._files = files
        self._problems = problems

    def read(self, fields: Fields, name: str, where: str) -> Dates:
        """Return all days under the key *name* of *fields*, as far as they could be read."""
        found = NEVER
        for entry in fields.entries(name):
            if isinstance(entry, Block):
                found |= self._of_a_file(entry, f'"{name}" of {where}')
            else:
                found |= read_scalar(name, entry, days, self._problems, NEVER)
        return found

    def _of_a_file(self, block: Block, where: str) -> Dates:
        fields = Fields(block, self._problems, where=where, known=("file",))
        if not fields.require("file", block, "write {file: holidays.ics}"):
            return NEVER
        if fields.read("file", scalars.text) is None:
            return NEVER
        at: Text = block["file"]
        try:
            holidays = read_holidays(self._files.content(self._folder / at, _MAX_BYTES))
        except (FileNotFoundError, IsADirectoryError):
            self._problems.error(at, f'there is no file "{at}"', "paths begin at the folder of config.yaml")
        except TooLarge:
            self._problems.error(
                at, f'the file "{at}" is larger than {_MAX_BYTES} bytes', "this is no list of holidays"
            )
        except OSError as ex:
            self._problems.error(at, f'the file "{at}" cannot be read ({ex.strerror})')
        except ValueError as ex:
            self._problems.error(
                at, f'the file "{at}" is of no use: {ex}', "export it again as an iCalendar file (.ics)"
            )
        else:
            self._report(holidays, at)
            return holidays.dates
        return NEVER

    def _report(self, holidays: Holidays, at: Text) -> None:
        if not holidays.dates.ranges:
            text = f'the file "{at}" has no whole-day event, so it names no day'
            self._problems.error(at, text, "make each holiday an event that lasts all day")
        elif timed := holidays.with_a_time:
            others = f" and {len(timed) - 1} more" if len(timed) > 1 else ""
            text = f'events with a time of day in the file "{at}" do not count: {timed[0]}{others}'
            self._problems.warning(at, text, "make them last all day, or take them out of the file")


def days(value: str) -> Dates:
    """Return a day, a range of days (both ends included), or a day of every year."""
    first, slash, last = value.partition("/")
    if slash:
        begin, end = _day(first), _day(last)
        if end < begin:
            raise ValueError(f'"{value}" ends before it begins; did you mean {last}/{first}?')
        return Dates(((begin, end),))
    if re.fullmatch(r"[0-9]{2}-[0-9]{2}", value):
        # A leap year has every day there is.
        day = _existing(value, 2000, *map(int, value.split("-")))
        return Dates(yearly=frozenset({(day.month, day.day)}))
    day = _day(value)
    return Dates(((day, day),))


def _day(value: str) -> date:
    parts = re.fullmatch(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})", value)
    if re.fullmatch(r"[0-9]{2}-[0-9]{2}", value):
        raise ValueError(f'"{value}" has no year, which a range needs; write one, or list each day of every year')
    if parts is None:
        hint = f"did you mean {{file: {value}}}?" if value.lower().endswith(".ics") else _EXAMPLES
        raise ValueError(f'"{value}" is no date; {hint}')
    found = _existing(value, *map(int, parts.groups()))
    if len(value) < len("2026-01-01"):
        raise ValueError(f'"{value}" is no date; did you mean {found}?')
    return found


def _existing(value: str, year: int, month: int, day: int) -> date:
    if not 1 <= month <= 12:
        raise ValueError(f'"{value}" is no date: months go from 01 to 12')
    if not 1970 <= year <= 2199:
        raise ValueError(f'"{value}" is no date of use: years go from 1970 to 2199')
    last = calendar.monthrange(year, month)[1]
    if not 1 <= day <= last:
        raise ValueError(f'"{value}" is no date: the days of that month go from 01 to {last}')
    return date(year, month, day)
