"""Keep known noise from being sent, for a time and visibly."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.cli import options, recording, screen
from router.cli.screen import Cell, Column

if TYPE_CHECKING:
    from router.config.model import Config
    from router.store import SilenceRow

#: Caught deliveries that `show` lists.
_LISTED = 50


@click.group("silence", epilog=options.exits(no="there is no silence ID"))
def command() -> None:
    """Silence deliveries that match: they end as silenced instead of being sent, and can be sent later.

    \b
    callrouter silence add tag=noisy --for 2h --why "the test line of the builders"
    callrouter silence add event_type=ringing destination=slack-* --until 18:00 --why "training day"
    callrouter silence list
    callrouter silence show 12
    callrouter silence end 12
    callrouter replay --silence 12
    """


@command.command("add", epilog=options.exits(no="the daemon ended before it was carried out"))
@click.argument("matchers", metavar="KEY=VALUE...", nargs=-1, required=True)
@click.option("--for", "lasting", metavar="DURATION", help="How long: 30m, 2h, 3d, …")
@click.option(
    "--until", metavar="TIME", help="Until 18:00, or 2026-01-04T10:00, in the time zone of the configuration."
)
@click.option("--why", required=True, metavar="TEXT", help="Why; shown with everything it catches.")
@recording.wait_option
@options.config_option
def _add(
    *, matchers: tuple[str, ...], lasting: str | None, until: str | None, why: str, wait: bool | None, config_path: Path
) -> int:
    """Silence from now on every delivery that all matchers fit.

    KEY is anything a rule may ask about (tag, event_type, customer_number, hours, …), or destination, or rule.
    KEY=VALUE,VALUE means any of these, KEY!=VALUE none of them, and * and ? are wildcards.
    """
    config = options.load_to_look(config_path)
    from router.config.silences import read_new_silence

    read_new_silence(matchers, config)
    if not why.strip():
        raise click.UsageError("Say why; whoever finds the silence will ask.")
    ends_at = _end(lasting, until, config)
    return recording.record(
        config, "silence", {"matchers": list(matchers), "until": ends_at, "why": why.strip()}, wait=wait
    )


@command.command("list", epilog=options.exits())
@click.option("--all", "everything", is_flag=True, help="Those that have ended too.")
@options.config_option
@options.json_option("JSON, one silence a line")
def _list(everything: bool, config_path: Path, as_json: bool) -> int:
    """List the silences, with how many deliveries each has caught."""
    config = options.load_to_look(config_path)
    now = time.time()
    with options.reading(config) as store:
        rows = store.silences(None if everything else now)
    if as_json:
        for row, caught in rows:
            screen.emit(_document(row, caught, config, now))
    elif rows:
        columns = [Column("id", right=True), Column("matchers", fold=True), Column("ends"), Column("who", keep=5)]
        screen.table(
            [*columns, Column("caught", right=True), Column("why", fold=True), Column("note", fold=True, keep=6)],
            [_row(row, caught, config, now) for row, caught in rows],
        )
    none = (
        "Nobody has made a silence yet." if everything else "No silence is active; --all shows those that have ended."
    )
    return screen.end(found=bool(rows), wanted=None, what="silence", none=none)


@command.command("show", epilog=options.exits(no="there is no silence ID"))
@click.argument("silence_id", metavar="ID", type=int)
@options.config_option
@options.json_option("one JSON document")
def _show(silence_id: int, config_path: Path, as_json: bool) -> int:
    """Show silence ID, and the newest deliveries it has caught with where they stand now."""
    from router.store import Filter

    config = options.load_to_look(config_path)
    now = time.time()
    with options.reading(config) as store:
        found = [one for one in store.silences() if one[0].id == silence_id]
        rows = store.deliveries(Filter(silence=silence_id), _LISTED) if found and found[0][1] else []
    for row, caught in found:
        document = _document(row, caught, config, now)
        if as_json:
            deliveries = [
                {"id": one.id, "destination": one.destination, "state": one.state.word, "call": one.call_id}
                for one in rows
            ]
            screen.emit({**document, "deliveries": deliveries})
            continue
        ended = f", by {row.ended_by}" if row.ended_by else ""
        screen.pairs(
            [
                ("silence", str(row.id)),
                ("matchers", " ".join(row.matchers)),
                ("why", row.why),
                ("who", row.who),
                ("began", screen.moment_in_full(row.began_at, config.timezone, now)),
                (
                    "ends" if row.ends_at > now else "ended",
                    screen.moment_in_full(row.ends_at, config.timezone, now) + ended,
                ),
                ("caught", screen.count(caught, "delivery", "deliveries")),
                *([("note", document["note"])] if document["note"] else []),
            ]
        )
        if rows:
            screen.say()
            columns = [Column("id", right=True), Column("received"), Column("destination"), Column("type")]
            screen.table([*columns, Column("state"), Column("call", keep=1)], [
                [str(one.id), screen.when(one.received_at, config.timezone, now), one.destination, one.event_type,
                 screen.state(one.state.word), one.call_id]
                for one in rows
            ])  # fmt: skip
    return screen.end(found=bool(found), wanted=silence_id, what="silence")


@command.command("end", epilog=options.exits(no="there is no silence ID that has not ended"))
@click.argument("silence_id", metavar="ID", type=int)
@recording.wait_option
@options.config_option
def _finish(silence_id: int, wait: bool | None, config_path: Path) -> int:
    """End silence ID now. What it has caught stays silenced until callrouter replay --silence ID."""
    config = options.load_to_look(config_path)
    with options.reading(config) as store:
        active = {row.id for row, _ in store.silences(time.time())}
    if silence_id not in active | _recorded(config):
        screen.talk(f"callrouter: there is no silence {silence_id} that has not ended.")
        return 3
    return recording.record(config, "silence-end", {"silence": silence_id}, wait=wait)


def _recorded(config: Config) -> set[int]:
    """Return the silences that are recorded and that the worker has not read yet."""
    from router.engine import open_commands

    with options.reading(config) as store:
        position = store.command_position()
    with closing(open_commands(config)) as commands:
        return {one.id for one in commands.after(position) if one.action == "silence"}


def _end(lasting: str | None, until: str | None, config: Config) -> float:
    from router.units import duration, moment_or_time

    now = time.time()
    if (lasting is None) == (until is None):
        raise click.UsageError("Say how long: --for 2h, or --until 18:00.")
    try:
        ends_at = now + duration(lasting) if lasting is not None else moment_or_time(str(until), config.timezone, now)
    except ValueError as ex:
        raise click.UsageError(str(ex)) from None
    if ends_at <= now:
        raise click.UsageError(f"{until or lasting} has passed already; a silence begins now.")
    return ends_at


def _note(row: SilenceRow, config: Config) -> str:
    from router.config.silences import read_silence
    from router.errors import ConfigError

    try:
        gone = read_silence(row.matchers, config).gone
    except ConfigError as ex:
        return f"catches nothing: {ex.problems[0].text}"
    return f"{', '.join(gone)} is no longer in {config.path.name}" if gone else ""


def _row(row: SilenceRow, caught: int, config: Config, now: float) -> list[Cell]:
    ends: Cell = screen.age(row.ends_at, now)
    if row.ends_at <= now:
        ends = (f"ended {screen.age(row.ends_at, now)}" + (f" by {row.ended_by}" if row.ended_by else ""), "dim")
    return [str(row.id), " ".join(row.matchers), ends, row.who, f"{caught:,}", row.why, (_note(row, config), "yellow")]


def _document(row: SilenceRow, caught: int, config: Config, now: float) -> dict[str, Any]:
    return {
        "id": row.id,
        "matchers": list(row.matchers),
        "why": row.why,
        "who": row.who,
        "began_at": screen.stamp(row.began_at),
        "ends_at": screen.stamp(row.ends_at),
        "ended_by": row.ended_by,
        "active": row.ends_at > now,
        "caught": caught,
        "note": _note(row, config),
    }
