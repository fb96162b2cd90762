"""Tells the system's service manager how the daemon is: sd_notify(3), one datagram a message."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Sequence

from router.supervisor import Child


class Notifier:
    """Speaks to the socket that a service manager has named in the environment; to nobody where it named none.

    The protocol is that of https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html.
    """

    def __init__(self, address: str | None) -> None:
        # The system's own sockets have a name that begins with a zero byte and is written with an @.
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        self._ready = False

    @classmethod
    def from_environment(cls) -> Notifier:
        """Return one for the socket in NOTIFY_SOCKET, and take the variable away: what we start speaks for itself."""
        return cls(os.environ.pop("NOTIFY_SOCKET", None))

    def changed(self, children: Sequence[Child]) -> None:
        """Say which processes run; the first time that all do, the daemon is ready."""
        waiting = [child.part.name for child in children if child.pid is None]
        running = ", ".join(child.part.name for child in children if child.pid is not None)
        status = f"running: {running or 'nothing'}" + (f"; starting: {', '.join(waiting)}" if waiting else "")
        first = not waiting and not self._ready
        self._ready = self._ready or first
        self._say(*(["READY=1"] if first else []), f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read; ``reloaded`` follows, whatever comes of it."""
        # The moment tells the manager that this answers its own request and no earlier one.
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """The daemon works on, with the new configuration or the old one."""
        self._say("READY=1")

    def stopping(self) -> None:
        """The daemon ends in order."""
        self._say("STOPPING=1", "STATUS=finishing what has begun")

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        # A manager that does not listen must not keep the daemon from its work.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(lines).encode(), self._address)
