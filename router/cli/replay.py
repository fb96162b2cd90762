"""Send again what was not delivered, or take in what was refused."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from router.cli import options, quarantine, screen
from router.cli.screen import Column

if TYPE_CHECKING:
    from router.config.model import Config
    from router.store import DeliveryRow, Reading

#: Deliveries in one recorded command: small enough that the worker goes on delivering between two of them.
_BATCH = 500
#: Deliveries listed before the question; the count says how many more there are.
_LISTED = 20


class _Chosen(NamedTuple):
    #: Their numbers, oldest first: the order in which they are sent again.
    ids: list[int]
    first: list[DeliveryRow]
    by_destination: Counter[str]


@click.command("replay", epilog=options.exits(no="there is nothing with that ID, or you answered no"))
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--destination", metavar="NAME", help="Only those owed to this destination.")
@click.option(
    "--state",
    type=click.Choice(("dead", "expired", "cancelled", "silenced", "delivered")),
    default="dead",
    show_default=True,
    help="Only those that ended so.",
)
@click.option("--rule", metavar="NAME", help="Only those that this rule asked for.")
@click.option("--call", metavar="UUID", help="Only of this call.")
@click.option("--event", "event_id", metavar="ID", type=int, help="Only of this event.")
@options.since_option
@click.option("--rejected", is_flag=True, help="Take in refused events instead: IDs are those of events --rejected.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent again, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.config_option
def command(ids: tuple[int, ...], rejected: bool, dry_run: bool, yes: bool, config_path: Path, **where: Any) -> int:
    """Send deliveries again: those with these IDs, or all that fit the options (all dead letters, without any).

    What was never delivered is sent under the same key as before, so that a destination which did receive it can
    tell; what was delivered is sent as something new. Deliveries that have not ended are left alone. The
    replay is recorded, and the worker of the daemon carries it out, in the order of the deliveries; see it happen with
    callrouter status.

    \b
    callrouter replay --dry-run                           what would all dead letters be?
    callrouter replay --destination crm --since 2h        the last two hours of one destination
    callrouter replay 4711                                one delivery, however it ended
    callrouter replay --rejected 12 13                    refused events that are right after all
    """
    config = options.load_to_look(config_path)
    with options.reading(config) as store:
        if rejected:
            return _take_in(config, store, ids, where, dry_run=dry_run, yes=yes)
        chosen, missing = _by_number(store, ids) if ids else (_fitting(store, where), [])
    for number in missing:
        screen.talk(f"callrouter: there is no delivery {number} that has ended.")
    if not chosen.ids:
        screen.talk("Nothing to replay.")
        return 3 if missing else 0
    _show(chosen, config)
    what = screen.count(len(chosen.ids), "delivery", "deliveries")
    if dry_run:
        screen.talk(f"{what} would be sent again; nothing was changed.")
    elif not screen.agreed(f"Send {what} again?", yes=yes):
        return 3
    else:
        _record(config, "replay", "deliveries", chosen.ids)
        screen.talk(f"{what} will be sent again. {options.carried_out(config)}")
    return 3 if missing else 0


def _by_number(store: Reading, ids: Sequence[int]) -> tuple[_Chosen, list[int]]:
    from router.store import FINISHED, Filter

    found = {
        row.id: row
        for number in ids
        for row in store.deliveries(Filter(before_id=number + 1), 1)
        if row.id == number and row.state >= FINISHED
    }
    rows = [found[number] for number in sorted(found)]
    chosen = _Chosen([row.id for row in rows], rows[:_LISTED], Counter(row.destination for row in rows))
    return chosen, [number for number in ids if number not in found]


def _fitting(store: Reading, where: dict[str, Any]) -> _Chosen:
    chosen = _Chosen([], [], Counter())
    for row in _every(store, where):
        chosen.ids.append(row.id)
        chosen.by_destination[row.destination] += 1
        if len(chosen.first) < _LISTED:
            chosen.first.append(row)
    chosen.ids.reverse()
    return chosen


def _every(store: Reading, where: dict[str, Any]) -> Iterator[DeliveryRow]:
    from dataclasses import replace

    from router.store import Filter

    asked = Filter(
        destination=where["destination"],
        rule=where["rule"],
        call_id=where["call"] and where["call"].lower(),
        event_id=where["event_id"],
        since=where["since"],
        state=options.state_named(where["state"]),
    )
    while page := store.deliveries(asked, 1000):
        yield from page
        asked = replace(asked, before_id=page[-1].id)


def _show(chosen: _Chosen, config: Config) -> None:
    now = time.time()
    columns = [Column("id", right=True), Column("received"), Column("destination"), Column("type", keep=5)]
    screen.table(
        [*columns, Column("state"), Column("reason", fold=True), Column("call", keep=1)],
        [
            [
                str(row.id),
                screen.when(row.received_at, config.timezone, now),
                row.destination,
                row.event_type,
                screen.state(row.state.word),
                row.reason or "",
                row.call_id,
            ]
            for row in chosen.first
        ],
    )
    if len(chosen.ids) > len(chosen.first):
        screen.talk(f"… and {len(chosen.ids) - len(chosen.first):,} more")
    if len(chosen.by_destination) > 1:
        screen.talk(", ".join(f"{name}: {count:,}" for name, count in sorted(chosen.by_destination.items())))


def _record(config: Config, action: str, argument: str, ids: list[int]) -> None:
    from router.commands import CommandFile

    file, who = CommandFile(config.data), options.who()
    with screen.progress("Recording", len(ids)) as advance:
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            file.append(action, {argument: batch}, who=who, now=time.time())
            advance(len(batch))


def _take_in(
    config: Config, store: Reading, ids: Sequence[int], where: dict[str, Any], *, dry_run: bool, yes: bool
) -> int:
    if any(where[name] for name in ("destination", "rule", "call", "event_id")):
        raise click.UsageError("A refused event has no deliveries yet; choose by ID or with --since.")
    found = [row for number in ids for row in quarantine.rows(store, number, None, None, 1)]
    if not ids:
        found = quarantine.rows(store, None, None, where["since"], sys.maxsize)
    known = {row.id for row in found}
    missing = [number for number in ids if number not in known]
    for number in missing:
        screen.talk(f"callrouter: there is no refused event {number}.")
    waiting = sorted(row.id for row in found if row.readmitted_at is None)
    if not waiting:
        screen.talk("Nothing to take in.")
        return 3 if missing else 0
    quarantine.show(found[:_LISTED], None, config.timezone, time.time(), as_json=False)
    what = screen.count(len(waiting), "refused event")
    if dry_run:
        screen.talk(f"{what} would be taken in; nothing was changed.")
    elif not screen.agreed(f"Take in {what}?", yes=yes):
        return 3
    else:
        _record(config, "readmit", "quarantined", waiting)
        screen.talk(f"{what} will be taken in if the source may send it now. {options.carried_out(config)}")
    return 3 if missing else 0
