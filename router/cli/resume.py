"""Send to a paused destination again."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli import options, screen


@click.command("resume", epilog=options.exits())
@click.argument("destination")
@options.config_option
def command(destination: str, config_path: Path) -> None:
    """Send to DESTINATION again after a pause.

    Everything that waited is sent as it falls due. A destination that callrouter paused because it refused everything
    resumes by itself when its settings change and the daemon is started again; this command is for when the
    other side was mended.
    """
    screen.talk(options.record(config_path, "resume", {"destination": destination}))
