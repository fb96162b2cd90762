"""What the store remembers of operators: their silences, and how far their commands have come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """One silence. ``id`` is the number of the command that made it."""

    id: int
    #: As they were typed: ``tag=noisy``.
    matchers: tuple[str, ...]
    why: str
    who: str
    began_at: float
    ends_at: float
    #: Who ended it before its time; None when nobody did.
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class CommandRow:
    """How far one recorded command has come; ``ended_at`` and ``result`` are None while it is under way."""

    id: int
    began_at: float
    ended_at: float | None = None
    result: str | None = None
    progress: Mapping[str, Any] = field(default_factory=dict)
