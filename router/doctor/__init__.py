"""Looks at everything that can be wrong with an installation, without changing any of it.

Works while the daemon runs and while it is stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from router import proving
from router.config import Config, load
from router.config.folder import data_folder
from router.config.model import DiskLimits
from router.disk import out_of_reach
from router.doctor import inbox, machine, network, store
from router.doctor.finding import Finding, note, ok, problem
from router.engine import open_reading
from router.errors import ConfigError, StoreError
from router.location import PostgresAt
from router.status import command

__all__ = ["Finding", "examine"]


def examine(config_path: Path, *, patience: float) -> Iterator[Finding]:
    """Yield every finding; a long question to the store is given up after *patience* seconds."""
    config: Config | None = None
    try:
        config = load(config_path, to_look=True)
    except ConfigError as ex:
        more = f" (and {len(ex.problems) - 1} more)" if len(ex.problems) > 1 else ""
        yield problem("configuration", f"{ex.problems[0]}{more}", command("check", config_path))
    else:
        yield from _configuration(config)
    data = config.data if config else data_folder(config_path)
    if why := out_of_reach(data):
        yield problem("rights", f"{why}: nothing in it was looked at", "ask as the user that callrouter runs as")
    else:
        yield from machine.running(data, config_path)
        yield from _data(data, config, patience)
    if config is None:
        return
    yield from network.names(config)
    yield from network.certificates(config)


def _data(data: Path, config: Config | None, patience: float) -> Iterator[Finding]:
    if config and isinstance(config.store, PostgresAt):
        yield _database(config, config.store)
    else:
        yield from store.examine(data, patience=patience)
    yield from inbox.examine(data, _cursors(config))
    yield from machine.clock(data, time.time())
    yield from machine.disk(data, config.disk if config else DiskLimits())
    if config:
        yield from machine.rights(data, [Path(path) for path in sorted(config.snapshot.secrets)])


def _configuration(config: Config) -> Iterator[Finding]:
    warned = f", with {len(config.warnings)} warnings: callrouter check" if config.warnings else ""
    yield ok("configuration", f"{config.path} is right (version {config.version}){warned}")
    if config.unset:
        yield note(
            "configuration",
            f"this shell lacks {', '.join(config.unset)}: what depends on it was not looked at",
            "ask again in the environment of the daemon",
        )
    failed = [verdict.test.name for verdict in proving.run(config) if not verdict.passed]
    if failed:
        yield problem(
            "configuration", f'its test "{failed[0]}" fails ({len(failed)} in all)', command("check", config.path)
        )
    elif config.tests:
        yield ok("configuration", f"its tests pass ({len(config.tests)})")


def _database(config: Config, at: PostgresAt) -> Finding:
    try:
        open_reading(config).close()
    except StoreError as ex:
        return problem("store", str(ex), "mend that first, and ask again")
    return ok("store", f"{at} answers, and has the tables of this version")


def _cursors(config: Config | None) -> dict[str, int]:
    if config is None:
        return {}
    try:
        with closing(open_reading(config)) as reading:
            return reading.cursors()
    except StoreError:
        # What is wrong with the store was said.
        return {}
