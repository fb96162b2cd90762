"""What operators asked for: recorded commands in a file of their own, carried out by the worker.

Usable while the daemon is stopped. The file is the audit trail: who asked for what, and when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Command:
    """One recorded command.

    ``action`` and its ``arguments``: replay {deliveries: [ids]} · pause {destination, reason} · resume
    {destination} · give-up {destination} · readmit {quarantined: [ids]}.
    """

    id: int
    at: float
    who: str
    action: str
    arguments: Mapping[str, Any]


class CommandFile:
    """``data/commands.sqlite``. Any process may append; a lock keeps it to one writer at a time."""

    def __init__(self, data: Path) -> None:
        self._path = data / "commands.sqlite"

    def append(self, action: str, arguments: Mapping[str, Any], *, who: str, now: float) -> int:
        """Record one command and return its id once it is on disk; raises StoreError."""
        raise NotImplementedError

    def after(self, position: int, limit: int = 100) -> list[Command]:
        """Return the commands recorded after the one with id *position*, oldest first."""
        raise NotImplementedError
