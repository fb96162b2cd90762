"""List what operators did: who, when, what, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.cli import options, screen
from router.cli.screen import Cell, Column

if TYPE_CHECKING:
    from router.commands import Command
    from router.config.model import Config
    from router.store import CommandRow

#: Numbers that a listing spells out.
_NUMBERS = 5
#: Argument of a command → the option it came from.
_OPTIONS = {
    "destination": "--destination",
    "rule": "--rule",
    "source": "--source",
    "call_id": "--call",
    "event_id": "--event",
    "state": "--state",
    "silence": "--silence",
    "since": "--since",
    "until": "--until",
}


@click.command("commands", epilog=options.exits(no="there is no command ID"))
@click.argument("command_id", metavar="[ID]", type=int, required=False)
@options.limit_option
@options.config_option
@options.json_option("JSON, one command a line")
def command(command_id: int | None, limit: int, config_path: Path, as_json: bool) -> int:
    """List what operators did with replay, cancel, silence, pause, resume, drain and give-up, newest first.

    Each says who asked for it (the login name), when, when the daemon carried it out and what came of it. Nothing is
    ever deleted from this list. With ID, one of them in full.
    """
    from router.engine import open_commands

    config = options.load_to_look(config_path)
    with closing(open_commands(config)) as file:
        found = file.newest(1, command_id + 1) if command_id is not None else file.newest(limit)
    found = [one for one in found if command_id in (None, one.id)]
    rows = _carried_out(config, [one.id for one in found])
    now = time.time()
    if as_json:
        for one in found:
            screen.emit(_document(one, rows.get(one.id)))
    elif command_id is not None and found:
        _show(found[0], rows.get(command_id), config, now)
    elif found:
        columns = [Column("id", right=True), Column("when"), Column("who"), Column("what", fold=True)]
        screen.table(
            [*columns, Column("carried out"), Column("result", fold=True)],
            [_row(one, rows.get(one.id), config, now) for one in found],
        )
    return screen.end(found=bool(found), wanted=command_id, what="command", none="Nobody has recorded a command yet.")


def _carried_out(config: Config, numbers: list[int]) -> dict[int, CommandRow]:
    from router.errors import StoreError

    try:
        with options.reading(config) as store:
            return store.commands(numbers)
    except StoreError:
        if (config.data / "store.sqlite").exists():
            raise
        # Recorded before the daemon's first start.
        return {}


def _row(one: Command, row: CommandRow | None, config: Config, now: float) -> list[Cell]:
    return [
        str(one.id),
        screen.when(one.at, config.timezone, now),
        one.who,
        _what(one),
        _state(row) if row is None or row.ended_at is None else screen.when(row.ended_at, config.timezone, now),
        (row.result or "") if row else "",
    ]


def _state(row: CommandRow | None) -> Cell:
    if row is None:
        return "waits", "yellow"
    return f"{row.progress.get('asked', 0):,} so far", "cyan"


def _show(one: Command, row: CommandRow | None, config: Config, now: float) -> None:
    state = _state(row)
    screen.pairs(
        [
            ("command", str(one.id)),
            ("who", one.who),
            ("when", screen.moment_in_full(one.at, config.timezone, now)),
            ("what", _what(one, most=None)),
            (
                "carried out",
                screen.moment_in_full(row.ended_at, config.timezone, now)
                if row and row.ended_at is not None
                else str(state[0]),
            ),
            ("result", (row.result if row else None) or "–"),
        ]
    )


def _what(one: Command, most: int | None = _NUMBERS) -> str:
    """Return what was asked for, as nearly as possible as it was typed."""
    said, words = one.arguments, [one.action.replace("silence-end", "silence end")]
    if one.action == "silence":
        words += ["add", *map(str, said.get("matchers", ()))]
    if "silence" in said:
        words.append(str(said["silence"]))
    if "destination" in said:
        words.append(str(said["destination"]))
    numbers = said.get("deliveries") or said.get("quarantined") or ()
    words += map(str, numbers[:most])
    if len(numbers) > len(numbers[:most]):
        words.append(f"and {len(numbers) - len(numbers[:most]):,} more")
    where: Mapping[str, Any] = said.get("where", {})
    words += [f"{option} {_value(name, where[name])}" for name, option in _OPTIONS.items() if name in where]
    words += [f"--{name} {_value(name, said[name])}" for name in ("limit", "rate", "until") if said.get(name)]
    why = said.get("reason") or said.get("why")
    return " ".join(words) + (f" ({why})" if why else "")


def _value(name: str, value: Any) -> str:
    return screen.stamp(float(value)) or "" if name in ("since", "until") else str(value)


def _document(one: Command, row: CommandRow | None) -> dict[str, Any]:
    return {
        "id": one.id,
        "at": screen.stamp(one.at),
        "who": one.who,
        "action": one.action,
        "arguments": dict(one.arguments),
        "what": _what(one, most=None),
        "begun_at": screen.stamp(row.began_at) if row else None,
        "carried_out_at": screen.stamp(row.ended_at) if row else None,
        "result": row.result if row else None,
        "changed": row.progress.get("done") if row else None,
    }
