"""Become a program that can write to some folders alone, has no rights, and cannot make memory executable:
``python -m tests.deploy.shut_in --user UID --writable FOLDER … -- PROGRAM ARGS``.

It must be root to begin with. What a container with a read-only root and the systemd unit do to a daemon, without them.
"""  # fmt: skip

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
from pathlib import Path

#: From linux/prctl.h.
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 24, 38, 65, 1
#: From linux/sched.h.
CLONE_NEWNS = 0x00020000

libc = ctypes.CDLL(None, use_errno=True)


def only_writable(folders: list[str]) -> None:
    """Make every file system read-only for this process, *folders* and memory files excepted."""
    for folder in folders:
        subprocess.run(["mount", "--bind", folder, folder], check=True)
    # /dev/shm is memory of its own in a container, and writable.
    spared = ("/proc", "/sys", "/dev", *folders)
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    for point in [line.split()[1] for line in mounts]:
        if not any(point == one or point.startswith(f"{one}/") for one in spared):
            subprocess.run(["mount", "-o", "remount,bind,ro", point], check=True)


def private_mounts() -> None:
    """Let nobody else see what this process mounts from now on."""
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def open_the_way(program: str) -> None:
    """Let everybody reach *program*, a folder, where one above it is closed: nothing else below that one is left."""
    above = [folder for folder in reversed(Path(program).parents) if not folder.stat().st_mode & 0o001]
    if not above:
        return
    held = tempfile.mkdtemp()
    subprocess.run(["mount", "--bind", program, held], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", str(above[0])], check=True)
    Path(program).mkdir(parents=True)
    subprocess.run(["mount", "--move", held, program], check=True)
    Path(held).rmdir()


def give_up_rights(user: int) -> None:
    """Become *user*, whom no file need know, for good."""
    capability = 0
    while libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    for what in ((PR_SET_NO_NEW_PRIVS, 1), (PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN)):
        if libc.prctl(*what, 0, 0, 0):
            raise OSError(ctypes.get_errno(), f"prctl {what}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--user", type=int, required=True)
    parser.add_argument("--writable", action="append", default=[])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    private_mounts()
    # A Python of somebody's own is often in a home that is closed.
    open_the_way(sys.base_prefix)
    only_writable(given.writable)
    give_up_rights(given.user)
    command = given.command[1:]
    os.execv(command[0], command)
