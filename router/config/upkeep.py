"""The ``retention:`` and ``disk:`` blocks: how long what has ended is kept, and how much room is left alone."""

from __future__ import annotations

from dataclasses import fields as names_of
from typing import Any

from router.config import scalars
from router.config.fields import Fields
from router.config.model import DiskLimits, Retention
from router.config.problems import Problems
from router.units import size, spell

RETENTION_KEYS = tuple(field.name for field in names_of(Retention))
DISK_KEYS = tuple(field.name for field in names_of(DiskLimits))

#: A phone system posts again for hours: what is kept for less could be taken for new.
_LEAST = 86400.0


def read_retention(fields: Fields, problems: Problems) -> Retention:
    """Return what ``retention:`` says, its defaults where it says nothing."""
    inner = fields.inner("retention", RETENTION_KEYS)
    if inner is None:
        return Retention()
    usual = Retention()
    kept = Retention(**{key: inner.read(key, _duration_or_never, getattr(usual, key)) for key in RETENTION_KEYS})
    for shorter, longer in (("events", "dead_letters"), ("events", "receipts"), ("dead_letters", "receipts")):
        # A receipt is what later news of its call builds on; a dead letter is an event that somebody must look at.
        if _seconds(getattr(kept, shorter)) > _seconds(getattr(kept, longer)):
            known = getattr(kept, longer)
            text = f'retention: "{longer}" ({spell(known)}) is shorter than "{shorter}"'
            given: Any = inner.value(longer) or inner.value(shorter)
            problems.error(given, text, f"make {longer} at least as long as {shorter}")
            break
    return kept


def read_disk(fields: Fields) -> DiskLimits:
    """Return what ``disk:`` says, its defaults where it says nothing."""
    inner = fields.inner("disk", DISK_KEYS)
    if inner is None:
        return DiskLimits()
    usual = DiskLimits()
    return DiskLimits(**{key: inner.read(key, size, getattr(usual, key)) for key in DISK_KEYS})


def _duration_or_never(value: str) -> float | None:
    if value == "never":
        return None
    seconds = scalars.duration(value)
    if seconds < _LEAST:
        raise ValueError(f'"{value}" is less than a day; write at least 1d, or never')
    return seconds


def _seconds(kept: float | None) -> float:
    return float("inf") if kept is None else kept
