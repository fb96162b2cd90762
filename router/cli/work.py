"""Start only the part that routes events and delivers them."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli import options


@click.command(
    "work",
    epilog=options.exits(done="stopped as asked (SIGTERM or Ctrl-C) with nothing in flight"),
)
@options.config_option
def command(config_path: Path) -> int:
    """Start only the part that routes events and delivers them.

    Works through what callrouter serve has accepted on the same data, and goes on as more comes in."""
    # What a terminal needs stays out of this process: it lives for months, and memory is counted.
    from router.daemon import run

    return run(config_path, {"worker"})
