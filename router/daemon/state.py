"""``data/daemon.json``: who runs, since when, and where it listens."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence

from router import __version__
from router.config import Config
from router.supervisor import Child


class StateFile:
    """``data/daemon.json``: who runs, since when, and where it listens."""

    def __init__(self, config: Config, roles: Collection[str], addresses: dict[str, str], started_at: float) -> None:
        only = sorted(roles)[0] if len(roles) == 1 else None
        self._path = config.data / (f"daemon-{only}.json" if only else "daemon.json")
        self.addresses = addresses
        self._head = {"pid": os.getpid(), "version": __version__, "started_at": started_at, **addresses}
        self._children: Sequence[Child] = ()
        self._use(config, ())

    def use(self, config: Config, restart: Sequence[str]) -> None:
        """Say from now on that *config* is in use, and that what it says of *restart* waits for the next start."""
        self._use(config, restart)
        self.write(self._children)

    def _use(self, config: Config, restart: Sequence[str]) -> None:
        self._head |= {
            "config": str(config.path),
            "config_version": config.version,
            "disabled": {name: each.disabled for name, each in config.destinations.items() if each.disabled},
            "restart": list(restart),
        }

    def write(self, children: Sequence[Child]) -> None:
        """Put the processes as they are now in place of what the file said."""
        self._children = children
        processes = [
            {
                "name": child.part.name,
                "pid": child.pid,
                "started_at": child.started_at,
                "restarts": child.restarts,
                "state": child.state,
                "last_exit": child.last_exit,
            }
            for child in children
        ]
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({**self._head, "processes": processes}, indent=1))
        fresh.replace(self._path)

    def remove(self) -> None:
        """The daemon has stopped in order."""
        self._path.unlink(missing_ok=True)
