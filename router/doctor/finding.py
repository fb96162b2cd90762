"""One thing that was looked at, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``level`` is ok, note (worth knowing, nobody must act) or problem; ``todo`` is empty where nothing is to do."""

    level: Level
    #: configuration, store, inbox, daemon, clock, disk, name, certificate or rights.
    what: str
    text: str
    todo: str = ""


def ok(what: str, text: str) -> Finding:
    """Return what is as it should be."""
    return Finding("ok", what, text)


def note(what: str, text: str, todo: str = "") -> Finding:
    """Return what is worth knowing."""
    return Finding("note", what, text, todo)


def problem(what: str, text: str, todo: str) -> Finding:
    """Return what somebody must mend."""
    return Finding("problem", what, text, todo)
