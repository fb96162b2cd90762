"""What supervisors say of their processes in data/daemon*.json, checked against what lives."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from router.status.model import BreakerStatus, Daemon, Process

#: What `callrouter run`, `serve` and `work` write, and the parts that each of them runs.
_FILES = {
    "daemon.json": ("ingest", "worker"),
    "daemon-ingest.json": ("ingest",),
    "daemon-worker.json": ("worker",),
}


def daemons(data: Path) -> tuple[Daemon, ...]:
    """Return the daemons that live on *data*: one, or one that receives and one that delivers.

    Where none lives, the last one that was killed, if any: one that stopped in order leaves no word.
    """
    known = [found for name, roles in _FILES.items() if (found := _read(data / name, roles))]
    living = tuple(one for one in known if one.alive)
    return living or tuple(sorted(known, key=lambda one: one.started_at)[-1:])


def worker_beat(data: Path) -> float | None:
    """Return when the worker last said that it moves; None when it never has."""
    try:
        return float(json.loads((data / "worker.json").read_bytes())["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def breakers(data: Path) -> dict[str, BreakerStatus]:
    """Return destination → its breaker, of those that the worker last said are not closed."""
    try:
        said = json.loads((data / "worker.json").read_bytes())["breakers"]
        return {
            name: BreakerStatus(one["state"], one["since"], one["next_try_at"], one["reason"])
            for name, one in said.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _read(path: Path, roles: tuple[str, ...]) -> Daemon | None:
    try:
        said = json.loads(path.read_bytes())
        alive = _alive(said["pid"]) and _is_ours(said["pid"])
        return Daemon(
            roles=roles,
            pid=said["pid"],
            started_at=said["started_at"],
            config=said["config"],
            config_version=said["config_version"],
            listen=said.get("listen"),
            admin=said.get("admin"),
            processes=tuple(_process(process, alive) for process in said["processes"]),
            alive=alive,
            disabled=dict(said.get("disabled", {})),
            restart=tuple(map(str, said.get("restart", ()))),
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
        said = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return True
    # Not the first word: the interpreter of a checkout named callrouter has that name in its path too.
    return any(word.rpartition(b"/")[2] in (b"callrouter", b"router") for word in said[1:4])
