"""Become another program that ends when the one who started it does:
``python -m tests.harness.tethered [--signal NAME] [--user NAME] PROGRAM ARGS``.

A test run that is killed must not leave a daemon or a database behind. ``--signal`` is how to end it (KILL), ``--user``
whose rights it takes.
"""  # fmt: skip

from __future__ import annotations

import argparse
import ctypes
import os
import pwd
import signal
import sys

#: From linux/prctl.h; the setting survives exec.
PR_SET_PDEATHSIG = 1


def tether(ending: signal.Signals = signal.SIGKILL) -> None:
    """End this process by *ending* when its parent ends, where the system can do that (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ending)


def become(user: str) -> None:
    """Give up all rights but those of *user*."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--signal", default="KILL")
    parser.add_argument("--user")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if given.user:
        become(given.user)
    # Last: Linux forgets the setting when a process changes its user.
    tether(signal.Signals[f"SIG{given.signal}"])
    os.execv(given.command[0], given.command)
