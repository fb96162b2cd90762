"""Turn what is still owed to a destination into dead letters."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli import options, recording, screen


@click.command("give-up", epilog=options.exits(no="you answered no, or the daemon ended"))
@click.argument("destination")
@click.option("--yes", is_flag=True, help="Do not ask.")
@recording.wait_option
@options.config_option
def command(destination: str, yes: bool, wait: bool | None, config_path: Path) -> int:
    """Turn all unfinished deliveries of DESTINATION into dead letters.

    For a destination that will not come back, or that is to be removed from the configuration: callrouter refuses
    to start, or to reload, while deliveries are owed to a destination it no longer knows. Nothing is deleted: dead
    letters are listed by callrouter deliveries and can be sent with callrouter replay.
    """
    config = options.load_to_look(config_path)
    options.know(config, destination)
    if not screen.agreed(f'Give up everything that is still owed to "{destination}"?', yes=yes):
        return 3
    return recording.record_for(config, "give-up", destination, {}, wait=wait)
