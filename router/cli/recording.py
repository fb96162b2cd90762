"""How a command reaches the worker: recorded on disk, carried out by the daemon, its result printed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import click

from router.cli import options, screen

if TYPE_CHECKING:
    from router.config.model import Config
    from router.store import CommandRow

F = TypeVar("F", bound=Callable[..., object])

#: Seconds between looks at what the worker has done.
_LOOK = 0.1


def wait_option(command: F) -> F:
    """Add ``--wait`` and ``--no-wait``."""
    return click.option(
        "--wait/--no-wait",
        default=None,
        help="Wait until the daemon has carried it out, and print the result. The default on a terminal.",
    )(command)


def waits(wait: bool | None) -> bool:
    """Return what was asked for with ``--wait``, or what fits whoever listens."""
    return sys.stderr.isatty() if wait is None else wait


def record(config: Config, action: str, arguments: Mapping[str, Any], *, wait: bool | None) -> int:
    """Record one command for the worker, tell the operator, wait as asked, and return the exit code.

    3 when it was to be waited for and the daemon ended before. Raises StoreError.
    """
    from router.engine import open_commands

    with closing(open_commands(config)) as commands:
        number = commands.append(action, arguments, who=options.who(), now=time.time())
    screen.talk(f"Recorded as command {number}. {options.carried_out(config)}")
    if not waits(wait) or not options.delivers(config):
        return 0
    row = _ended(config, number, arguments.get("expected"))
    if row is None:
        screen.talk("The daemon ended before it was carried out; it goes on with it when it starts.")
        return 3
    screen.talk(f"{str(row.result)[:1].upper()}{str(row.result)[1:]}.")
    return 0


def record_for(
    config: Config, action: str, destination: str, arguments: Mapping[str, Any], *, wait: bool | None
) -> int:
    """Do the same for a command about *destination*; raises click.UsageError when nobody knows it."""
    options.know(config, destination)
    return record(config, action, {"destination": destination, **arguments}, wait=wait)


def _ended(config: Config, number: int, expected: Any) -> CommandRow | None:
    """Return the command once it has been carried out; None when the daemon has ended before."""
    shown = 0
    with screen.progress("Carrying out", int(expected or 1)) as advance:
        while True:
            alive = options.delivers(config)
            row = _look(config, number)
            if row is not None and row.ended_at is not None:
                return row
            if not alive:
                return None
            done = int(row.progress.get("asked", 0)) if row else 0
            advance(done - shown)
            shown = done
            time.sleep(_LOOK)


def _look(config: Config, number: int) -> CommandRow | None:
    from router.engine import open_reading
    from router.errors import StoreError

    try:
        with closing(open_reading(config)) as store:
            return store.commands([number]).get(number)
    except StoreError:
        # The daemon may be making it just now.
        return None
