"""List calls, or show one with its events."""

from __future__ import annotations

import time
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.cli import options, screen
from router.cli.screen import Cell, Column

if TYPE_CHECKING:
    from router.calls import Call
    from router.store import DeliveryRow, EventRow

#: Events, and deliveries, of a call that are shown.
_SHOWN = 1000


@click.command("calls", epilog=options.exits(no="there is no call UUID"))
@click.argument("uuid", required=False)
@click.option("--source", metavar="NAME", help="Only from this source.")
@options.since_option
@options.limit_option
@options.config_option
@options.json_option("JSON, one call a line")
def command(uuid: str | None, config_path: Path, limit: int, as_json: bool, **where: Any) -> int:
    """List calls, the one with the newest event first; with UUID, show one with its events and deliveries.

    Of the UUID the beginning is enough, as the log shows it. A call is missed when it was inbound, is over, and nobody
    answered. While it goes on it has no outcome.
    """
    from router.store import Filter

    config = options.load_to_look(config_path)
    now = time.time()
    with options.reading(config) as store:
        call_id = options.whole_call(store, uuid)
        rows = store.calls(Filter(call_id=call_id, **where), limit)
        asked = Filter(source=where["source"], call_id=call_id)
        events = store.events(asked, _SHOWN) if rows and uuid else []
        told = store.deliveries(asked, _SHOWN) if rows and uuid else []
    if as_json:
        for row in rows:
            screen.emit(_document(row))
    elif uuid and rows:
        for row in rows:
            _show(row, [event for event in events if event.source == row.source], config.timezone, now)
            _show_told([delivery for delivery in told if delivery.source == row.source], config.timezone, now)
    elif rows:
        _list(rows, config.timezone, now)
    if uuid and not rows:
        screen.talk(f"callrouter: there is no call {uuid}; callrouter calls lists those there are.")
        return 3
    if not rows:
        options.know_all(config, where)
    none = None if any(where.values()) else "No call was heard of yet. To see one: callrouter send --sample missed"
    return screen.end(found=bool(rows), wanted=None, what="call", none=none)


def _list(rows: list[Call], zone: tzinfo, now: float) -> None:
    columns = [
        Column("last event", keep=3),
        Column("age"),
        Column("source", keep=2),
        Column("direction", keep=2),
        Column("from"),
        Column("to", keep=5),
        Column("state"),
        Column("rang", right=True, keep=4),
        Column("talked", right=True, keep=4),
        Column("events", right=True, keep=2),
        Column("call"),
    ]
    screen.table(columns, [_row(row, zone, now) for row in rows])


def _row(row: Call, zone: tzinfo, now: float) -> list[Cell]:
    return [
        screen.when(row.last_received_at, zone, now),
        screen.age(row.last_received_at, now),
        row.source,
        row.direction or "unknown",
        row.from_,
        row.to,
        _standing(row),
        _seconds(row.ring_seconds),
        _seconds(row.talk_seconds),
        str(row.events),
        row.call_id,
    ]


def _standing(row: Call) -> Cell:
    if row.missed:
        return f"missed ({row.outcome})", "red"
    if row.outcome:
        return row.outcome, "green" if row.outcome == "answered" else ""
    return row.state.name.lower(), "cyan"


def _seconds(value: float | None) -> str:
    from router.units import spell

    return "" if value is None else spell(round(value))


def _show(row: Call, events: list[EventRow], zone: tzinfo, now: float) -> None:
    standing = _standing(row)
    screen.pairs(
        [
            ("call", row.call_id),
            ("source", row.source),
            ("state", standing if isinstance(standing, str) else standing[0]),
            ("direction", row.direction or "unknown"),
            ("from", row.from_),
            ("to", row.to),
            ("tag", row.tag or "–"),
            ("started", screen.moment_in_full(row.started_at, zone, now)),
            ("answered", screen.moment_in_full(row.answered_at, zone, now)),
            ("ended", screen.moment_in_full(row.ended_at, zone, now)),
            ("rang", _seconds(row.ring_seconds) or "–"),
            ("talked", _seconds(row.talk_seconds) or "–"),
        ]
    )
    screen.say("\nEvents")
    columns = [Column("id", right=True), Column("type"), Column("happened"), Column("received")]
    table: list[list[Cell]] = [
        [
            str(event.id),
            event.event_type + (" (late)" if event.late else ""),
            screen.when(event.event_time, zone, now),
            screen.when(event.received_at, zone, now),
            "unmatched" if event.unmatched else ", ".join(event.rules),
        ]
        for event in reversed(events)
    ]
    screen.table([*columns, Column("rules", fold=True)], table, indent=2)


def _show_told(deliveries: list[DeliveryRow], zone: tzinfo, now: float) -> None:
    screen.say("\nDeliveries" + ("" if deliveries else ": none"))
    if not deliveries:
        return
    columns = [Column("id", right=True), Column("destination"), Column("type"), Column("rule", keep=3)]
    screen.table(
        [
            *columns,
            Column("state"),
            Column("attempts", right=True, keep=4),
            Column("ended", keep=5),
            Column("reason", fold=True),
        ],
        [
            [
                str(one.id),
                one.destination,
                one.event_type,
                one.rule or "–",
                screen.state(one.state.word),
                str(one.attempts),
                screen.when(one.ended_at, zone, now),
                one.reason or "",
            ]
            for one in reversed(deliveries)
        ],
        indent=2,
    )


def _document(row: Call) -> dict[str, Any]:
    return {
        "source": row.source,
        "call": row.call_id,
        "state": row.state.name.lower(),
        "outcome": row.outcome,
        "missed": row.missed,
        "answered": row.answered,
        "direction": row.direction,
        "from": row.from_,
        "to": row.to,
        "tag": row.tag,
        "started_at": screen.stamp(row.started_at),
        "answered_at": screen.stamp(row.answered_at),
        "ended_at": screen.stamp(row.ended_at),
        "ring_seconds": row.ring_seconds,
        "talk_seconds": row.talk_seconds,
        "events": row.events,
        "last_received_at": screen.stamp(row.last_received_at),
    }
