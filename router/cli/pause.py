"""Stop sending to one destination; what is owed to it waits."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli import options, screen


@click.command("pause", epilog=options.exits())
@click.argument("destination")
@click.option("--reason", default="paused by hand", show_default=True, metavar="TEXT", help="Shown by status.")
@options.config_option
def command(destination: str, reason: str, config_path: Path) -> None:
    """Stop sending to DESTINATION until callrouter resume.

    What is owed to it waits and is not lost, however long the pause; only deliveries with a time limit (expire, or
    give_up_after) end when that comes. Callrouter pauses a destination by itself when it refuses everything, for
    example after its token was revoked.
    """
    screen.talk(options.record(config_path, "pause", {"destination": destination, "reason": reason}))
