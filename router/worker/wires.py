"""What the worker listens to: the pipe that wakes it, the supervisor with what it brings, and the senders."""

from __future__ import annotations

import os
import selectors
import socket
from pathlib import Path

from router import clock
from router.reload.link import Link
from router.sender.begun import Begun
from router.worker.senders import Ended, Senders


class Wires:
    """Everything that can end the worker's sleep."""

    def __init__(self, data: Path, control: socket.socket, reload: Link) -> None:
        self.senders = Senders()
        #: The pipe's descriptor; writing a byte to it wakes the worker.
        self.wake = _open_wake(data)
        self._control = control
        control.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, "control")
        self._selector.register(self.wake, selectors.EVENT_READ, "wake")
        self._selector.register(reload, selectors.EVENT_READ, "reload")
        #: Whether the supervisor says something of another configuration.
        self.reload_waits = False

    def gather(self, seconds: float) -> list[Ended]:
        """Wait up to *seconds* for something to happen; return the attempts that ended."""
        ended: list[Ended] = []
        self.reload_waits = False
        for key, events in self._selector.select(seconds):
            if key.data == "wake":
                os.read(self.wake, 4096)
            elif key.data == "reload":
                self.reload_waits = True
            elif key.data == "control":
                ended += self._meet_sender()
            else:
                ended += self._hear(key.data, events)
        return ended

    def forget_reload(self, reload: Link) -> None:
        """The supervisor is gone: there is nothing more to hear from it."""
        self._selector.unregister(reload)

    def mind_unsent(self) -> None:
        """Ask to be told when a sender that would not take all can take more."""
        for index in self.senders.connections:
            self._mind(index)

    def close(self) -> None:
        """Let go of everything."""
        self._selector.close()
        os.close(self.wake)
        for connection in self.senders.connections.values():
            connection.socket.close()

    def _meet_sender(self) -> list[Ended]:
        data, descriptors, _, _ = socket.recv_fds(self._control, 1, 2)
        if not data:
            # The supervisor is gone; its lifeline ends this process.
            self._selector.unregister(self._control)
            return []
        index, connection = data[0], socket.socket(fileno=descriptors[0])
        begun = Begun(descriptors[1]) if len(descriptors) > 1 else None
        ended = self._dismiss(index) if index in self.senders.connections else []
        self.senders.connect(index, connection, begun)
        self._selector.register(connection, selectors.EVENT_READ, index)
        return ended

    def _dismiss(self, index: int) -> list[Ended]:
        """Settle with a sender whose successor is already here."""
        connection = self.senders.connections[index]
        self._selector.unregister(connection.socket)
        ended = self.senders.collect(connection, clock.now())
        return ended + (self.senders.abandon(connection, clock.now()) if index in self.senders.connections else [])

    def _hear(self, index: int, events: int) -> list[Ended]:
        connection = self.senders.connections.get(index)
        if connection is None:
            return []
        if events & selectors.EVENT_WRITE:
            self.senders.flush(connection)
        ended = self.senders.collect(connection, clock.now()) if events & selectors.EVENT_READ else []
        if index not in self.senders.connections:
            self._selector.unregister(connection.socket)
        else:
            self._mind(index)
        return ended

    def _mind(self, index: int) -> None:
        connection = self.senders.connections[index]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        if self._selector.get_key(connection.socket).events != wanted:
            self._selector.modify(connection.socket, wanted, index)


def _open_wake(data: Path) -> int:
    """Open the named pipe on which ingest says that there is something to route."""
    path = data / "wake"
    if not path.is_fifo():
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
    # For writing too: a pipe without a writer would be readable, and empty, for ever.
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)
