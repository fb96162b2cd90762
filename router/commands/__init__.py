"""What operators asked for: recorded commands, carried out by the worker.

Usable while the daemon is stopped. What was recorded is the audit trail: who asked for what, and when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Command:
    """One recorded command.

    ``action`` and its ``arguments``: replay {which, rate} · cancel {which, reason} · readmit {quarantined: [ids]} ·
    pause {destination, reason} · drain {destination, reason}, or {daemons: [when each was started]} to end them ·
    resume {destination} · give-up {destination} · silence {matchers, until, why} · silence-end {silence}. *which* are
    {deliveries: [ids]}, or {where: a filter, after, to: ids between which it holds, limit}.
    """

    id: int
    at: float
    who: str
    action: str
    arguments: Mapping[str, Any]


class Commands(Protocol):
    """Where commands are recorded. Everybody may append."""

    def append(self, action: str, arguments: Mapping[str, Any], *, who: str, now: float) -> int:
        """Record one command and return its id once it is on disk; raises StoreError."""

    def after(self, position: int, limit: int = 100) -> list[Command]:
        """Return the commands recorded after the one with id *position*, oldest first; raises StoreError."""

    def newest(self, limit: int, before: int | None = None) -> list[Command]:
        """Return commands, newest first; with *before*, those with a smaller id. Raises StoreError."""

    def forget(self, before: float, position: int, limit: int) -> int:
        """Delete up to *limit* commands recorded before *before*, up to id *position*; return how many.

        Raises StoreError.
        """

    def close(self) -> None:
        """Release what is held."""
