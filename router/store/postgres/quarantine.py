"""Refused bodies in and out of table ``quarantine``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from router.errors import Fault
from router.store import QuarantineRow
from router.store.postgres.rows import plain
from router.store.postgres.session import Session

SELECT = "SELECT id, source, received_at, remote, faults, body, readmitted_at FROM quarantine"


def keep(
    session: Session, source: str, body: bytes, faults: Sequence[Fault], *, received_at: float, remote: str
) -> int:
    """Implement ``Store.quarantine``."""
    said = json.dumps([[fault.path, fault.text] for fault in faults], ensure_ascii=False)
    [number] = session.execute(
        "INSERT INTO quarantine (source, received_at, remote, faults, body) VALUES (%s, %s, %s, %s, %s) RETURNING id",
        (plain(source), received_at, plain(remote), said, body),
    ).fetchall()
    return int(number[0])


def find(session: Session, number: int) -> QuarantineRow | None:
    """Implement ``Store.refused``."""
    row = session.execute(f"{SELECT} WHERE id = %s", (number,)).fetchone()
    return None if row is None else quarantined(row)


def readmitted(session: Session, number: int, now: float) -> None:
    """Implement ``Store.readmitted``."""
    session.execute("UPDATE quarantine SET readmitted_at = %s WHERE id = %s", (now, number))


def quarantined(row: Sequence[Any]) -> QuarantineRow:
    """Return the refused body in *row*, selected by ``SELECT``."""
    *columns, faults, body, readmitted_at = row
    return QuarantineRow(*(*columns, [Fault(*fault) for fault in json.loads(faults)], body, readmitted_at))
