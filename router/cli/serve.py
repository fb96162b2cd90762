"""Start only the part that receives call events."""

from __future__ import annotations

from pathlib import Path

import click

from router.cli import options


@click.command(
    "serve",
    epilog=options.exits(done="stopped as asked (SIGTERM or Ctrl-C) with nothing in flight"),
)
@options.config_option
def command(config_path: Path) -> int:
    """Start only the part that receives call events.

    Events are kept on disk and answered with 200; nothing is delivered until callrouter work (or run) is started on the
    same data. Use the two where receiving must go on while delivering is stopped, or the other way round."""
    # What a terminal needs stays out of this process: it lives for months, and memory is counted.
    from router.daemon import run

    return run(config_path, {"ingest"})
