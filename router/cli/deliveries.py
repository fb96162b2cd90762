"""List deliveries, or show one with its attempts."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.cli import options, screen
from router.cli.screen import Cell, Column

if TYPE_CHECKING:
    from router.store import AnswerRow, AttemptRow, DeliveryRow, Reading


@click.command("deliveries", epilog=options.exits(no="there is no delivery ID"))
@click.argument("delivery_id", metavar="[ID]", type=int, required=False)
@click.option("--destination", metavar="NAME", help="Only those owed to this destination.")
@click.option("--state", type=click.Choice(options.STATES), help="Only those that stand so.")
@click.option("--rule", metavar="NAME", help="Only those that this rule asked for.")
@click.option("--call", metavar="UUID", help="Only of this call; the beginning of its UUID is enough.")
@click.option("--event", "event_id", metavar="ID", type=int, help="Only of this event.")
@click.option("--silence", metavar="ID", type=int, help="Only what this silence has caught.")
@options.since_option
@options.limit_option
@options.config_option
@options.json_option("JSON, one delivery a line")
def command(delivery_id: int | None, limit: int, config_path: Path, as_json: bool, **where: Any) -> int:
    """List deliveries (one event owed to one destination), newest first; with ID, show one.

    One is shown with its attempts, and with the last answer of its destination that was kept.

    \b
    ready      first in line of its call; attempted when it is due
    leased     being attempted now
    waiting    behind an earlier delivery of the same call
    held       behind a dead letter of the same call (after_dead_letter: hold)
    delivered  the destination has accepted it
    dead       a dead letter: never accepted, and no longer tried; callrouter replay tries again
    expired    older than the destination's expire before it could be sent
    cancelled  an operator wanted it so, or its destination was being drained
    silenced   a silence has caught it; callrouter replay --state silenced sends it after all
    """
    config = options.load_to_look(config_path)
    now = time.time()
    with options.reading(config) as store:
        rows = _rows(store, delivery_id, limit, where)
        attempts = store.attempts(rows[0].id) if rows and delivery_id is not None else []
        answer = store.answer(rows[0].id) if rows and delivery_id is not None else None
    if as_json:
        for row in rows:
            document = _document(row)
            more = {"history": [*map(_attempt, attempts)], "answer": answer and asdict(answer)}
            screen.emit(document if delivery_id is None else document | more)
    elif delivery_id is not None and rows:
        _show(rows[0], attempts, config.timezone, now)
        if answer is not None:
            _show_answer(answer)
    elif rows:
        _list(rows, config.timezone, now)
    if not rows and delivery_id is None:
        options.know_all(config, where)
    none = None if any(value is not None for value in where.values()) else "Nothing was owed to anybody yet."
    return screen.end(found=bool(rows), wanted=delivery_id, what="delivery", none=none)


def _rows(store: Reading, delivery_id: int | None, limit: int, where: dict[str, Any]) -> list[DeliveryRow]:
    from router.store import Filter

    if delivery_id is not None:
        return [row for row in store.deliveries(Filter(before_id=delivery_id + 1), 1) if row.id == delivery_id]
    where["state"] = where["state"] and options.state_named(where["state"])
    where["call_id"] = options.whole_call(store, where.pop("call"))
    return store.deliveries(Filter(**where), limit)


def _list(rows: list[DeliveryRow], zone: tzinfo, now: float) -> None:
    columns = [
        Column("id", right=True),
        Column("received", keep=3),
        Column("age"),
        Column("destination"),
        Column("type", keep=6),
        Column("state"),
        Column("attempts", right=True, keep=5),
        Column("next", keep=7),
        Column("rule", keep=2),
        Column("reason", fold=True),
        Column("call", keep=1),
    ]
    screen.table(columns, [_row(row, zone, now) for row in rows])


def _row(row: DeliveryRow, zone: tzinfo, now: float) -> list[Cell]:
    return [
        str(row.id),
        screen.when(row.received_at, zone, now),
        screen.age(row.received_at, now),
        row.destination,
        row.event_type,
        screen.state(row.state.word),
        str(row.attempts),
        _next(row, now),
        row.rule or "",
        row.reason or "",
        row.call_id,
    ]


def _next(row: DeliveryRow, now: float) -> str:
    if row.state.word != "ready" or row.due_at is None:
        return ""
    return "due" if row.due_at <= now else screen.age(row.due_at, now)


def _show(row: DeliveryRow, attempts: list[AttemptRow], zone: tzinfo, now: float) -> None:
    screen.pairs(
        [
            ("delivery", str(row.id)),
            ("state", row.state.word + (f", {_next(row, now)}" if _next(row, now) else "")),
            ("destination", row.destination),
            ("rule", row.rule or "none: always or unmatched asked for it"),
            ("event", f"{row.event_id} ({row.event_type}, from {row.source})"),
            ("call", row.call_id),
            ("received", screen.moment_in_full(row.received_at, zone, now)),
            ("ended", screen.moment_in_full(row.ended_at, zone, now)),
            ("reason", row.reason or "–"),
            ("key", row.key),
        ]
    )
    screen.say("\nAttempts" + ("" if attempts else ": none yet"))
    if attempts:
        columns = [Column("attempt", right=True), Column("started"), Column("took", right=True), Column("outcome")]
        screen.table(
            [*columns, Column("status", right=True), Column("reason", fold=True)],
            [
                [
                    str(one.number),
                    screen.when(one.started_at, zone, now),
                    f"{1000 * (one.ended_at - one.started_at):,.0f} ms",
                    screen.state(one.outcome),
                    str(one.status or ""),
                    one.reason or "",
                ]
                for one in attempts
            ],
            indent=2,
        )


def _show_answer(answer: AnswerRow) -> None:
    took = f"{1000 * answer.seconds:,.0f} ms"
    screen.say(f"\nLast answer: {answer.status}, to attempt {answer.attempt}, after {took}")
    screen.pairs(list(answer.headers.items()), indent=2)
    if answer.body:
        screen.say()
        for line in screen.safe_lines(answer.body).split("\n"):
            screen.say(f"  {line}".rstrip())
        if answer.cut:
            screen.say("  … (the rest was not kept)")


def _document(row: DeliveryRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "event": row.event_id,
        "source": row.source,
        "call": row.call_id,
        "type": row.event_type,
        "destination": row.destination,
        "rule": row.rule,
        "state": row.state.word,
        "attempts": row.attempts,
        "due_at": screen.stamp(row.due_at),
        "received_at": screen.stamp(row.received_at),
        "ended_at": screen.stamp(row.ended_at),
        "reason": row.reason,
        "status": row.status,
        "key": row.key,
    }


def _attempt(row: AttemptRow) -> dict[str, Any]:
    return {
        "number": row.number,
        "outcome": row.outcome,
        "reason": row.reason,
        "status": row.status,
        "started_at": screen.stamp(row.started_at),
        "ended_at": screen.stamp(row.ended_at),
    }
