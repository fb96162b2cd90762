"""Stop sending to one destination; what is owed to it waits."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli import options, recording


@click.command("pause", epilog=options.exits(no="the daemon ended before it was carried out"))
@click.argument("destination")
@click.option("--reason", default="paused by hand", show_default=True, metavar="TEXT", help="Shown by status.")
@recording.wait_option
@options.config_option
def command(destination: str, reason: str, wait: bool | None, config_path: Path) -> int:
    """Stop sending to DESTINATION until callrouter resume.

    What is owed to it waits and is not lost, however long the pause; only deliveries with a time limit (expire, or
    give_up_after) end when that comes. callrouter pauses a destination by itself when it refuses everything, for
    example after its token was revoked.
    """
    return recording.record_for(options.load_to_look(config_path), "pause", destination, {"reason": reason}, wait=wait)
