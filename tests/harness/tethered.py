"""Become another program that ends when the one who started it does: ``python -m tests.harness.tethered PROGRAM ARGS``.

A test run that is killed must not leave a daemon behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

#: From linux/prctl.h; the setting survives exec.
PR_SET_PDEATHSIG = 1


def tether() -> None:
    """End this process when its parent ends, where the system can do that (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    tether()
    os.execv(sys.argv[1], sys.argv[1:])
