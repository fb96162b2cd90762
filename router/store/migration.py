"""The steps from one format of a store to the next: numbered .sql files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from router.errors import StoreError


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from one format of the store to the next."""

    number: int
    name: str
    sql: str


def migrations(folder: Path) -> list[Migration]:
    """Return the steps in *folder*, first to last; files are named ``NNNN_name.sql`` and counted from 1."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)", path.stem)
        if match is None or int(match[1]) != len(found) + 1:
            raise ValueError(f"{path.name} is not the migration that follows number {len(found)}")
        found.append(Migration(int(match[1]), match[2], path.read_text("utf-8")))
    return found


def refuse_newer(found: int, known: int) -> None:
    """Raise StoreError when format number *found* is newer than the *known* one."""
    if found > known:
        raise StoreError(
            f"the store has format {found} and this callrouter knows formats up to {known}: "
            "a newer callrouter has used it; install that version again"
        )
