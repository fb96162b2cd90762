"""The quarantine as `callrouter events --rejected` lists it."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from router.cli import screen
from router.cli.screen import Column

if TYPE_CHECKING:
    from router.errors import Fault
    from router.store import QuarantineRow, Reading


def rows(
    store: Reading, wanted: int | None, source: str | None, since: float | None, limit: int
) -> list[QuarantineRow]:
    """Return the refused event *wanted*, or the newest that fit."""
    if wanted is not None:
        return [row for row in store.quarantined(1, wanted + 1) if row.id == wanted]
    found: list[QuarantineRow] = []
    before = None
    while len(found) < limit:
        page = store.quarantined(min(limit, 100), before)
        found += [
            row
            for row in page
            if (source is None or row.source == source) and (since is None or row.received_at >= since)
        ]
        if not page or (since is not None and page[-1].received_at < since):
            break
        before = page[-1].id
    return found[:limit]


def show(refused: list[QuarantineRow], wanted: int | None, zone: tzinfo, now: float, *, as_json: bool) -> int:
    """Print *refused* as a table, the one *wanted* in full, or JSON lines; return the exit code."""
    if as_json:
        for row in refused:
            screen.emit(_document(row))
    elif wanted is not None and refused:
        _show_one(refused[0], zone, now)
    elif refused:
        _list(refused, zone, now)
    return screen.end(found=bool(refused), wanted=wanted, what="refused event")


def _show_one(row: QuarantineRow, zone: tzinfo, now: float) -> None:
    screen.pairs(
        [
            ("refused event", str(row.id)),
            ("source", row.source),
            ("from address", row.remote),
            ("received", screen.moment_in_full(row.received_at, zone, now)),
            ("re-admitted", screen.moment_in_full(row.readmitted_at, zone, now) if row.readmitted_at else "no"),
        ]
    )
    screen.say("\nWhat is wrong with it")
    for fault in row.faults:
        screen.say("  " + screen.safe(_fault(fault)))
    screen.say("\nBody")
    screen.body(row.body)


def _list(refused: list[QuarantineRow], zone: tzinfo, now: float) -> None:
    columns = [Column("id", right=True), Column("received", keep=3), Column("age"), Column("source")]
    screen.table(
        [*columns, Column("from address", keep=2), Column("re-admitted", keep=4), Column("faults", fold=True)],
        [
            [
                str(row.id),
                screen.when(row.received_at, zone, now),
                screen.age(row.received_at, now),
                row.source,
                row.remote,
                screen.age(row.readmitted_at, now) if row.readmitted_at else "no",
                _short(row.faults),
            ]
            for row in refused
        ],
    )


def _short(faults: list[Fault]) -> str:
    more = f"; and {len(faults) - 2} more" if len(faults) > 2 else ""
    return "; ".join(map(_fault, faults[:2])) + more


def _fault(fault: Fault) -> str:
    return f"{fault.path}: {fault.text}" if fault.path else fault.text


def _document(row: QuarantineRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "source": row.source,
        "received_at": screen.stamp(row.received_at),
        "remote": row.remote,
        "faults": [{"path": fault.path, "text": fault.text} for fault in row.faults],
        "readmitted_at": screen.stamp(row.readmitted_at),
        "body": row.body.decode("utf-8", "backslashreplace"),
    }
