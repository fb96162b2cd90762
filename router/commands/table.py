"""Recorded commands in the database that several nodes share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from router.commands import Command
from router.store.postgres.session import Session

_SELECT = "SELECT id, at, who, action, arguments FROM asked"


class CommandTable:
    """Implements ``Commands`` in table ``asked``."""

    def __init__(self, session: Session, *, own: bool = True) -> None:
        """Ask over *session*, which is closed with this when it is its *own*."""
        self._session = session
        self._own = own

    def append(self, action: str, arguments: Mapping[str, Any], *, who: str, now: float) -> int:
        """Implement ``Commands``."""
        said = json.dumps(dict(arguments), ensure_ascii=False)
        with self._session.transaction():
            # One after the other: a number that is committed after a greater one would never be looked at.
            self._session.execute("LOCK TABLE asked IN SHARE ROW EXCLUSIVE MODE")
            row = self._session.execute(
                "INSERT INTO asked (at, who, action, arguments) VALUES (%s, %s, %s, %s) RETURNING id",
                (now, who, action, said),
            ).fetchone()
        return int(row[0]) if row else 0

    def after(self, position: int, limit: int = 100) -> list[Command]:
        """Implement ``Commands``."""
        return self._read(f"{_SELECT} WHERE id > %s ORDER BY id LIMIT %s", (position, limit))

    def newest(self, limit: int, before: int | None = None) -> list[Command]:
        """Implement ``Commands``."""
        if before is None:
            return self._read(f"{_SELECT} ORDER BY id DESC LIMIT %s", (limit,))
        return self._read(f"{_SELECT} WHERE id < %s ORDER BY id DESC LIMIT %s", (before, limit))

    def forget(self, before: float, position: int, limit: int) -> int:
        """Implement ``Commands``."""
        if before == float("-inf"):
            return 0
        return self._session.execute(
            "DELETE FROM asked WHERE id IN (SELECT id FROM asked WHERE id <= %s ORDER BY id LIMIT %s) AND at < %s",
            (position, limit, before),
        ).rowcount

    def close(self) -> None:
        """Implement ``Commands``."""
        if self._own:
            self._session.close()

    def _read(self, sql: str, values: Sequence[Any]) -> list[Command]:
        return [Command(*(*row, json.loads(arguments))) for *row, arguments in self._session.execute(sql, values)]
