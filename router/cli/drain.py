"""Send what waits and take nothing new; or end the daemon in order."""

from __future__ import annotations

import time
from pathlib import Path

import click

from router.cli import options, recording, screen
from router.errors import RouterError

#: Seconds after which the daemon should have ended; its own grace is less.
_PATIENCE = 60.0


@click.command("drain", epilog=options.exits(no="the daemon ended before it was carried out"))
@click.argument("destination", required=False)
@click.option("--reason", default="drained by hand", show_default=True, metavar="TEXT", help="Shown by status.")
@recording.wait_option
@options.config_option
def command(destination: str | None, reason: str, wait: bool | None, config_path: Path) -> int:
    """Send what waits for DESTINATION, and take nothing new for it, until callrouter resume.

    For a destination that is about to be removed or replaced. What waits is sent as usual. New deliveries to it end
    at once as cancelled, with the reason: callrouter replay --state cancelled --destination NAME sends them after all.
    callrouter status says when nothing waits any more: then a reload may remove it.

    Without DESTINATION the daemon is ended: it attempts nothing new, finishes what is in flight, and exits with 0, like
    after SIGTERM. What waits is on disk and goes on at the next start. A service manager that always restarts
    brings it back: stop the service there instead.
    """
    config = options.load_to_look(config_path)
    if destination is not None:
        return recording.record_for(config, "drain", destination, {"reason": reason}, wait=wait)
    asked = {one.started_at for one in options.living(config) if "worker" in one.roles}
    if not asked:
        raise RouterError("the daemon is not running: there is nothing to end")
    code = recording.record(config, "drain", {"reason": reason, "daemons": sorted(asked)}, wait=False)
    if not recording.waits(wait):
        return code
    deadline = time.monotonic() + _PATIENCE
    while any(one.started_at in asked for one in options.living(config)):
        if time.monotonic() > deadline:
            raise RouterError(f"the daemon has not ended within {_PATIENCE:g} s; its log says what it waits for")
        time.sleep(0.1)
    screen.talk("The daemon has ended. What waits is on disk and goes on at the next start.")
    return 0
