"""List call events, or show one."""

from __future__ import annotations

import json
import time
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.cli import options, quarantine, screen
from router.cli.screen import Cell, Column

if TYPE_CHECKING:
    from router.store import EventRow, Reading


@click.command("events", epilog=options.exits(no="there is no event ID"))
@click.argument("event_id", metavar="[ID]", type=int, required=False)
@click.option("--source", metavar="NAME", help="Only from this source.")
@click.option("--call", metavar="UUID", help="Only of this call; the beginning of its UUID is enough.")
@click.option("--type", "event_type", metavar="TYPE", help="Only of this event type: ringing, call_ended, alert, …")
@options.since_option
@click.option("--rejected", is_flag=True, help="List refused events instead (the quarantine), with what was wrong.")
@click.option("--unmatched", is_flag=True, help="Only those that no rule matched.")
@options.limit_option
@options.config_option
@options.json_option("JSON, one event a line")
def command(event_id: int | None, rejected: bool, limit: int, config_path: Path, as_json: bool, **where: Any) -> int:
    """List call events, newest first; with ID, show one in full.

    With --rejected, ID is the number of a refused event: callrouter replay --rejected ID takes it in after all.
    """
    config = options.load_to_look(config_path)
    now = time.time()
    with options.reading(config) as store:
        if rejected:
            unusable = [name for name in ("call", "event_type") if where[name]]
            if unusable or where["unmatched"]:
                raise click.UsageError(
                    "A refused event has no call, type or rules to look for; use --source or --since."
                )
            refused = quarantine.rows(store, event_id, where["source"], where["since"], limit)
            return quarantine.show(refused, event_id, config.timezone, now, as_json=as_json)
        rows = _rows(store, event_id, limit, where)
        if as_json:
            for row in rows:
                screen.emit(_document(row))
        elif event_id is not None and rows:
            _show(rows[0], store, config.timezone, now)
        elif rows:
            _list(rows, config.timezone, now)
    if not rows and event_id is None:
        options.know_all(config, where)
    none = None if any(where.values()) else "No event was received yet. To see some: callrouter send --sample missed"
    return screen.end(found=bool(rows), wanted=event_id, what="event", none=none)


def _rows(store: Reading, event_id: int | None, limit: int, where: dict[str, Any]) -> list[EventRow]:
    from router.store import Filter

    fields = {
        "source": where["source"],
        "call_id": options.whole_call(store, where["call"]),
        "event_type": where["event_type"],
        "since": where["since"],
        "unmatched": True if where["unmatched"] else None,
    }
    return store.events(Filter(event_id=event_id, **fields), 1 if event_id is not None else limit)


def _list(rows: list[EventRow], zone: tzinfo, now: float) -> None:
    columns = [
        Column("id", right=True),
        Column("received", keep=3),
        Column("age"),
        Column("source", keep=2),
        Column("type"),
        Column("from", keep=7),
        Column("to", keep=6),
        Column("rules", keep=5, fold=True),
        Column("call", keep=1),
    ]
    table: list[list[Cell]] = []
    for row in rows:
        fields = _fields(row.body)
        rules: Cell = ("unmatched", "dim") if row.unmatched else ", ".join(row.rules)
        table.append(
            [
                str(row.id),
                screen.when(row.received_at, zone, now),
                screen.age(row.received_at, now),
                row.source,
                row.event_type + (" (late)" if row.late else ""),
                str(fields.get("from", "")),
                str(fields.get("to", "")),
                rules,
                row.call_id,
            ]
        )
    screen.table(columns, table)


def _show(row: EventRow, store: Reading, zone: tzinfo, now: float) -> None:
    from router.store import Filter

    screen.pairs(
        [
            ("event", str(row.id)),
            ("type", row.event_type + (", late: an event of this call that happened later came first" * row.late)),
            ("source", row.source),
            ("call", row.call_id),
            ("happened", screen.moment_in_full(row.event_time, zone, now)),
            ("received", screen.moment_in_full(row.received_at, zone, now)),
            ("rules", "none matched" if row.unmatched else ", ".join(row.rules) or "none"),
            ("config", f"version {row.config_version}"),
        ]
    )
    screen.say("\nFacts")
    screen.pairs([(name, _plain(value)) for name, value in sorted(row.facts.items())], indent=2)
    screen.say("\nBody")
    screen.body(row.body)
    deliveries = store.deliveries(Filter(event_id=row.id), 1000)
    screen.say("\nDeliveries" + ("" if deliveries else ": none"))
    if deliveries:
        columns = [Column("id", right=True), Column("destination"), Column("rule"), Column("state")]
        screen.table(
            [*columns, Column("attempts", right=True), Column("reason", fold=True)],
            [
                [
                    str(one.id),
                    one.destination,
                    one.rule or "–",
                    screen.state(one.state.word),
                    str(one.attempts),
                    one.reason or "",
                ]
                for one in deliveries
            ],
            indent=2,
        )


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _document(row: EventRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "source": row.source,
        "call": row.call_id,
        "type": row.event_type,
        "event_time": screen.stamp(row.event_time),
        "received_at": screen.stamp(row.received_at),
        "late": row.late,
        "rules": list(row.rules),
        "unmatched": row.unmatched,
        "config_version": row.config_version,
        "facts": row.facts,
        "event": _fields(row.body),
    }
