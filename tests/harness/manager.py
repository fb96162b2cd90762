"""Stands in for a service manager: the datagrams that a daemon sends to NOTIFY_SOCKET, in order."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self


class ServiceManager:
    """Listens on a Unix datagram socket; *address* begins with @ for one outside the file system."""

    def __init__(self, address: str) -> None:
        self.environment = {"NOTIFY_SOCKET": address}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._heard: list[dict[str, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, ex: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def next(self, name: str, deadline: float = 20.0) -> dict[str, str]:
        """Wait for the next message that says *name*, and return all it says; what came before it is passed over."""
        self._socket.settimeout(deadline)
        while True:
            try:
                message = self._socket.recv(4096).decode()
            except TimeoutError:
                raise AssertionError(f"nothing said {name} within {deadline:g} s; heard {self._heard}") from None
            said = dict(line.split("=", 1) for line in message.splitlines())
            self._heard.append(said)
            if name in said:
                return said

    def heard(self) -> list[dict[str, str]]:
        """Return every message up to now."""
        self._socket.setblocking(False)
        try:
            while True:
                self._heard.append(dict(line.split("=", 1) for line in self._socket.recv(4096).decode().splitlines()))
        except BlockingIOError:
            return self._heard
