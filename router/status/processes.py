"""data/daemon.json: what the supervisor says of its processes, checked against what lives."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from router.status.model import Daemon, Process


def daemon(data: Path) -> Daemon | None:
    """Return the daemon that last ran on *data*, or None when there is no readable word of one."""
    try:
        said = json.loads((data / "daemon.json").read_bytes())
        alive = _alive(said["pid"]) and _is_ours(said["pid"])
        return Daemon(
            pid=said["pid"],
            started_at=said["started_at"],
            config=said["config"],
            config_version=said["config_version"],
            listen=said.get("listen"),
            admin=said.get("admin"),
            processes=tuple(_process(process, alive) for process in said["processes"]),
            alive=alive,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _process(said: dict[str, Any], supervised: bool) -> Process:
    pid = said.get("pid")
    return Process(
        name=said["name"],
        pid=pid,
        started_at=said.get("started_at"),
        restarts=said.get("restarts", 0),
        state=said.get("state", "unknown"),
        last_exit=None if said.get("last_exit") is None else str(said["last_exit"]),
        # No process outlives its supervisor, so without one a living number belongs to a stranger.
        alive=supervised and pid is not None and _alive(pid),
    )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        # A zombie answers to its number and does nothing.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return True


def _is_ours(pid: int) -> bool:
    """Whether *pid* can be a callrouter: after a reboot the number may be anybody's."""
    try:
        return b"router" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
