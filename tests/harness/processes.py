"""What Linux knows of processes: alive or not, children, processor time, memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. ``pss`` counts a page shared by n processes as 1/n in each; ``rss`` counts it in all."""

    pss: int
    rss: int

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.pss + other.pss, self.rss + other.rss)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, so that index 0 is the state."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def alive(pid: int) -> bool:
    """Whether *pid* runs; a zombie does not."""
    try:
        return _stat(pid)[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def session(leader: int) -> list[int]:
    """Every living process of the session that *leader* has begun, whatever groups it has split into."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = _stat(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == leader and fields[0] not in "ZX":
                found.append(int(entry.name))
    return sorted(found)


def children(pid: int) -> list[int]:
    """Living children of *pid*."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        return []
    return sorted(child for child in found if alive(child))


def cpu_seconds(pid: int) -> float:
    """Processor time *pid* has used so far, user and system; 0 once it is gone."""
    try:
        fields = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


def memory(pids: Iterable[int]) -> Memory:
    """What *pids* hold together."""
    total = Memory(0, 0)
    for pid in pids:
        values = {"Pss": 0, "Rss": 0}
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in values:
                    values[name] = int(rest.split()[0]) * 1024
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += Memory(values["Pss"], values["Rss"])
    return total
