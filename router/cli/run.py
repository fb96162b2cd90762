"""Start the daemon: receive call events and deliver them."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli import options


@click.command(
    "run",
    epilog=options.exits(done="stopped as asked (SIGTERM or Ctrl-C) with nothing in flight"),
)
@options.config_option
def command(config_path: Path) -> int:
    """Start the daemon: receive call events and deliver them.

    Starts every process that callrouter needs and keeps them alive: one or more that receive, one that routes, and
    the senders. Prints one line per event and per delivery. SIGTERM or Ctrl-C stops it: nothing more is accepted, what
    is in flight is finished, and everything else waits on disk for the next start.

    A second daemon on the same data refuses to start."""
    # What a terminal needs stays out of this process: it lives for months, and memory is counted.
    from router.daemon import run

    return run(config_path, {"ingest", "worker"})
