"""Send to a paused or drained destination again."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli import options, recording


@click.command("resume", epilog=options.exits(no="the daemon ended before it was carried out"))
@click.argument("destination")
@recording.wait_option
@options.config_option
def command(destination: str, wait: bool | None, config_path: Path) -> int:
    """Send to DESTINATION again after a pause, and take new deliveries for it again after a drain.

    Everything that waited is sent as it falls due. A destination that callrouter paused because it refused everything
    resumes by itself when its settings have changed; this command is for when the other side was mended.
    """
    return recording.record_for(options.load_to_look(config_path), "resume", destination, {}, wait=wait)
