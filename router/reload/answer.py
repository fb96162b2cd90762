"""``data/reload.json``: what came of the last reload, for whoever asked for it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from router.errors import Problem, RouterError

#: Seconds to wait for an answer: longer than all phases of a reload together.
PATIENCE = 90.0
#: Seconds between two looks at the file.
_LOOK = 0.02


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one reload."""

    pid: int
    at: float
    #: When it began, by the clock that nobody sets.
    began: float
    ok: bool
    config: str
    #: The version in use now.
    version: str
    text: str
    #: What is wrong, or doubtful where it was applied.
    problems: tuple[Problem, ...] = ()
    #: Keys whose new values wait for a restart.
    restart: tuple[str, ...] = ()


def path(data: Path, roles: Sequence[str]) -> Path:
    """Return where the daemon with these *roles* answers."""
    return data / ("reload.json" if len(roles) > 1 else f"reload-{roles[0]}.json")


def write(where: Path, answer: Answer) -> None:
    """Put *answer* in place of the one before, in one step; raises OSError."""
    fresh = where.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(answer), indent=1))
    fresh.replace(where)


def read(where: Path) -> Answer | None:
    """Return the last answer; None when there is none that can be read."""
    try:
        said: dict[str, Any] = json.loads(where.read_bytes())
        problems = tuple(Problem(**problem) for problem in said.pop("problems"))
        return Answer(**{**said, "restart": tuple(said["restart"])}, problems=problems)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def ask(where: Path, pid: int, alive: Callable[[], bool], *, patience: float = PATIENCE) -> Answer:
    """Ask the daemon of process *pid* to reload and return its answer, which it writes to *where*.

    Raises RouterError when it may not be asked, ends meanwhile, or does not answer in time.
    """
    asked = time.monotonic()
    try:
        os.kill(pid, signal.SIGHUP)
    except PermissionError:
        raise RouterError(f"the daemon (process {pid}) belongs to another user; ask as that user, or as root") from None
    except ProcessLookupError:
        raise RouterError(f"the daemon (process {pid}) has just ended") from None
    while time.monotonic() < asked + patience:
        answer = read(where)
        # One that began before was of the file as it was then.
        if answer is not None and answer.pid == pid and answer.began >= asked:
            return answer
        if not alive():
            raise RouterError(f"the daemon (process {pid}) ended during the reload; its log says why")
        time.sleep(_LOOK)
    raise RouterError(f"the daemon (process {pid}) did not answer within {patience:g}s; its log says what it does")
