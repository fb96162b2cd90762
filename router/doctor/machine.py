"""The machine under the data: clock, disk, rights, and who runs."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from router.config.model import DiskLimits
from router.disk import sizes
from router.doctor.finding import Finding, note, ok, problem
from router.status import command, daemons
from router.units import spell

#: Seconds by which a file may be from the future: file servers have clocks of their own.
_AHEAD = 60.0
#: A clock before this was never set: it is older than callrouter.
_EARLIEST = 1_735_689_600.0
#: Seconds that a flush may take before events wait for it, and before they are refused.
_SLOW, _TOO_SLOW = 0.1, 0.9
#: Bytes of a write-ahead log that somebody keeps from being folded back.
_LARGE_LOG = 512 << 20


def clock(data: Path, now: float) -> Iterator[Finding]:
    """Yield whether the time can be right."""
    if now < _EARLIEST:
        yield problem("clock", "it was never set", "timedatectl set-ntp true")
        return
    newest = max(((path.stat().st_mtime, path) for path in _files(data)), default=(0.0, data))
    if newest[0] > now + _AHEAD:
        yield problem(
            "clock",
            f"{newest[1]} was written {spell(newest[0] - now)} from now: the clock was set back, or is wrong",
            "timedatectl status; when it is right again, restart callrouter",
        )
    else:
        yield ok("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC; no file is from the future", time.gmtime(now)))


def disk(data: Path, limits: DiskLimits) -> Iterator[Finding]:
    """Yield whether there is room, and how long a flush takes."""
    found = sizes(data)
    free = f"{found.free >> 20:,} MiB" if found.free < 10 << 30 else f"{found.free >> 30:,} GiB"
    mib = f"{free} are free under {data}"
    if found.free < limits.refuse_below:
        yield problem("disk", f"{mib}: events are refused", "make room, anywhere on that disk but in data/")
    elif found.free < 4 * limits.refuse_below:
        yield note("disk", mib, f"below {limits.refuse_below >> 20} MiB events are refused (disk: refuse_below)")
    else:
        yield ok("disk", mib)
    if found.wal > _LARGE_LOG:
        yield note(
            "disk",
            f"the write-ahead log of the store has {found.wal >> 20:,} MiB",
            "another program keeps reading from the store (a backup, an SQL console): end it",
        )
    took = _flush(data)
    if took is None:
        return
    text = f"a flush takes {spell(took)}"
    if took > _TOO_SLOW:
        yield problem("disk", f"{text}: events are answered 503", "find what keeps this disk busy, or take another one")
    elif took > _SLOW:
        yield note("disk", f"{text}: every event waits for one", "find what keeps this disk busy, or take another one")
    else:
        yield ok("disk", text)


def rights(data: Path, secrets: Sequence[Path]) -> Iterator[Finding]:
    """Yield whether strangers can read the data or the files that may hold secrets, and whether we can write."""
    found = False
    if data.exists() and data.stat().st_mode & stat.S_IRWXO:
        found = True
        yield note("rights", f"every user of this machine can look into {data}", f"chmod o= {data}")
    for path in secrets:
        try:
            open_to_all = path.stat().st_mode & stat.S_IROTH
        except OSError:
            continue
        if open_to_all:
            found = True
            yield note("rights", f"every user of this machine can read the secret in {path}", f"chmod o= {path}")
    owners = {path.stat().st_uid for path in (data, *_files(data)) if path.exists()}
    if len(owners) > 1:
        found = True
        yield problem(
            "rights",
            f"files in {data} belong to different users",
            f"chown -R callrouter {data} (or whoever it runs as); run commands as that user",
        )
    if not found:
        yield ok("rights", "nobody else can read data or secrets")


def running(data: Path, config: Path) -> Iterator[Finding]:
    """Yield who runs on *data*; *config* is for the commands that mend it."""
    living = [one for one in daemons(data) if one.alive]
    for daemon in living:
        down = [process.name for process in daemon.processes if not process.alive]
        text = f"{' and '.join(daemon.roles)} running, pid {daemon.pid}"
        if down:
            yield problem(
                "daemon", f"{text}, without {', '.join(down)}", f"{command('status', config)}; the log says why"
            )
        else:
            yield ok("daemon", text)
    if not living:
        yield note("daemon", "callrouter is not running", command("run", config))


def _flush(data: Path) -> float | None:
    """Return the seconds that the disk takes to keep a page; None where nothing can be written. Leaves nothing."""
    try:
        descriptor = os.open(data, os.O_TMPFILE | os.O_WRONLY, 0o600)
    except OSError:
        return None
    try:
        took = []
        for _ in range(5):
            began = time.monotonic()
            os.write(descriptor, b"\0" * 4096)
            os.fsync(descriptor)
            took.append(time.monotonic() - began)
        return sorted(took)[len(took) // 2]
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _files(data: Path) -> list[Path]:
    return [path for folder in (data, data / "inbox") if folder.is_dir() for path in folder.iterdir() if path.is_file()]
