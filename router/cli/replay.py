"""Send again what was not delivered, or take in what was refused."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.cli import choosing, options, quarantine, recording, screen

if TYPE_CHECKING:
    from router.config.model import Config
    from router.store import Reading

#: Refused events listed before the question.
_LISTED = 20


class _Pace(click.ParamType[str]):
    """A rate (``10/s``), checked and kept as it was typed."""

    name = "rate"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from router.units import rate

        try:
            rate(str(value))
        except ValueError as ex:
            self.fail(str(ex), param, ctx)
        return str(value).strip()


@click.command("replay", epilog=options.exits(no="there is nothing with that ID, you answered no, or the daemon ended"))
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@click.option(
    "--state",
    "--status",
    type=click.Choice(("dead", "expired", "cancelled", "silenced", "delivered")),
    help="Only those that ended so; without it the dead letters.",
)
@click.option("--silence", metavar="ID", type=int, help="Only what this silence has caught.")
@choosing.options_of_filter
@click.option("--rejected", is_flag=True, help="Take in refused events instead: IDs are those of events --rejected.")
@click.option("--rate", type=_Pace(), metavar="RATE", help="Spread them: 10/s, 60/m. Without it all are due at once.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent again, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@recording.wait_option
@options.config_option
def command(
    *,
    ids: tuple[int, ...],
    rejected: bool,
    rate: str | None,
    limit: int | None,
    dry_run: bool,
    yes: bool,
    wait: bool | None,
    config_path: Path,
    **where: Any,
) -> int:
    """Send deliveries again: those with these IDs, or all that fit the options (all dead letters, without any).

    What was never delivered is sent under the same key as before, so that a destination which did receive it can
    tell; what was delivered is sent as something new. Deliveries that have not ended are left alone. The
    replay is recorded, and the worker of the daemon carries it out, oldest first, while it goes on with everything
    else. Up to ten IDs are sent again without a question.

    \b
    callrouter replay --dry-run                           what would all dead letters be?
    callrouter replay --destination crm --since 2h        the last two hours of one destination
    callrouter replay --destination crm --limit 10        try ten of them first
    callrouter replay --destination crm --rate 10/s       no faster than the other side likes
    callrouter replay --silence 12                        what a silence has caught
    callrouter replay 4711                                one delivery, however it ended
    callrouter replay --rejected 12 13                    refused events that are right after all
    """
    config = options.load_to_look(config_path)
    with options.reading(config) as store:
        if rejected:
            if rate or limit:
                raise click.UsageError("Refused events are taken in at once; leave out --rate and --limit.")
            return _take_in(config, store, ids, where, dry_run=dry_run, yes=yes, wait=wait)
        if ids:
            if choosing.given(where) or where["state"] or limit:
                raise click.UsageError("Choose by ID or by options, not by both.")
            chosen = choosing.by_number(store, ids, lambda row: row.state.finished)
        else:
            state = where["state"] or ("silenced" if where["silence"] is not None else "dead")
            chosen = choosing.by_filter(store, {**where, "state": state}, limit)
    for number in chosen.missing:
        screen.talk(f"callrouter: there is no delivery {number} that has ended.")
    missing = 3 if chosen.missing else 0
    if not chosen.total:
        options.know_all(config, where)
        screen.talk("Nothing to replay.")
        return missing
    choosing.show(chosen, config)
    what = screen.count(chosen.total, "delivery", "deliveries") + _spread(chosen.total, rate)
    if dry_run:
        screen.talk(f"{what} would be sent again; nothing was changed.")
        return missing
    if not screen.agreed(f"Send {what} again?", yes=yes or chosen.certain):
        return 3
    screen.talk(f"{what} will be sent again.")
    arguments = {**chosen.arguments, "rate": rate} if rate else chosen.arguments
    return recording.record(config, "replay", arguments, wait=wait) or missing


def _spread(total: int, rate: str | None) -> str:
    from router import units

    if rate is None:
        return ""
    pace = units.rate(rate)
    return f" (at {rate}, over {units.spell((total - 1) * pace.seconds / pace.count)})" if total > 1 else ""


def _take_in(
    config: Config,
    store: Reading,
    ids: Sequence[int],
    where: dict[str, Any],
    *,
    dry_run: bool,
    yes: bool,
    wait: bool | None,
) -> int:
    if choosing.given({**where, "since": None}) or where["state"]:
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
        return 3 if missing else 0
    if not screen.agreed(f"Take in {what}?", yes=yes):
        return 3
    screen.talk(f"{what} will be taken in if the source may send it now.")
    code = recording.record(config, "readmit", {"quarantined": waiting, "expected": len(waiting)}, wait=wait)
    return code or (3 if missing else 0)
