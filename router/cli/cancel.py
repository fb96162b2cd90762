"""End deliveries that wait, without sending them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from router.cli import choosing, options, recording, screen


@click.command("cancel", epilog=options.exits(no="there is nothing with that ID, you answered no, or the daemon ended"))
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@choosing.options_of_filter
@click.option("--reason", metavar="TEXT", help="Why; shown with each of them, and by callrouter commands.")
@click.option("--dry-run", is_flag=True, help="Show what would be cancelled, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@recording.wait_option
@options.config_option
def command(
    *,
    ids: tuple[int, ...],
    reason: str | None,
    limit: int | None,
    dry_run: bool,
    yes: bool,
    wait: bool | None,
    config_path: Path,
    **where: Any,
) -> int:
    """Cancel deliveries that wait: those with these IDs, or all that fit the options.

    They end as cancelled, with your name, and nothing is deleted: callrouter replay --state cancelled sends them after
    all. What is being attempted at that moment is left alone, because it may arrive; the result says how many that
    were. The next delivery of the same call goes on.

    \b
    callrouter cancel 4711 --reason "the customer has called back"
    callrouter cancel --destination pager --until 1h      alarms that are an hour old help nobody
    callrouter cancel --rule vip-rings --dry-run
    """
    if not ids and not choosing.given(where):
        raise click.UsageError("Say which: IDs, or an option that chooses, like --destination NAME.")
    if ids and (choosing.given(where) or limit):
        raise click.UsageError("Choose by ID or by options, not by both.")
    config = options.load_to_look(config_path)
    with options.reading(config) as store:
        if ids:
            chosen = choosing.by_number(store, ids, lambda row: not row.state.finished)
        else:
            chosen = choosing.by_filter(store, {**where, "unfinished": True}, limit)
    for number in chosen.missing:
        screen.talk(f"callrouter: there is no delivery {number} that waits.")
    missing = 3 if chosen.missing else 0
    if not chosen.total:
        options.know_all(config, where)
        screen.talk("Nothing to cancel.")
        return missing
    choosing.show(chosen, config)
    what = screen.count(chosen.total, "delivery", "deliveries")
    if dry_run:
        screen.talk(f"{what} would be cancelled; nothing was changed.")
        return missing
    if not screen.agreed(f"Cancel {what}?", yes=yes or chosen.certain):
        return 3
    arguments = {**chosen.arguments, "reason": reason} if reason else chosen.arguments
    return recording.record(config, "cancel", arguments, wait=wait) or missing
