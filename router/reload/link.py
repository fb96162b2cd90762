"""What supervisor and processes say to each other of configurations: small messages over a pair of sockets.

A configuration travels as what it was read from, in a file that exists only in memory and is handed over as a
descriptor: there are secrets in it, and it may be larger than any message.
"""

from __future__ import annotations

import json
import marshal
import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from router.config.files import Snapshot
from router.errors import Problem

#: Bytes of one message; far more than any has.
_MOST_BYTES = 1 << 17
#: Problems in one message. Those that matter here are few: the file itself was proved before.
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Message:
    """One thing said. ``number`` is that of the reload it belongs to.

    From the supervisor: ``prepare`` (with the snapshot), ``commit``, ``abort``, ``done`` (every process has moved) and
    ``current`` (the answer to ``hello``, with a snapshot where the process does not have that configuration).
    From a process: ``ready``, ``refused`` (with problems, or with a sentence), ``committed`` and ``hello``.
    """

    kind: str
    number: int = 0
    problems: tuple[Problem, ...] = ()
    why: str = ""
    #: On ``hello`` and ``current``: the process id of who asked.
    asker: int = 0
    snapshot: Snapshot | None = None


class Link:
    """One end of the way between the supervisor and one process."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    @classmethod
    def pair(cls) -> tuple[Link, Link]:
        """Return the supervisor's end, which never waits, and the process's own, which does."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        return cls(ours), cls(theirs)

    def fileno(self) -> int:
        """Return the descriptor to wait on; -1 once it is closed."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Say *message*; raises OSError when the other end is gone, or has not listened for long."""
        # Excerpts belong to what is wrong in the file, and that was found before anybody was asked.
        problems = [asdict(replace(problem, excerpt=None)) for problem in message.problems[:_MOST_PROBLEMS]]
        said = {"kind": message.kind, "number": message.number, "why": message.why, "asker": message.asker}
        content = json.dumps({**said, "problems": problems}).encode()
        if message.snapshot is None:
            self._socket.send(content)
            return
        held = _in_memory(message.snapshot)
        try:
            socket.send_fds(self._socket, [content], [held])
        finally:
            os.close(held)

    def receive(self) -> Message | None:
        """Return the next message; None when the other end is gone. The supervisor's end raises BlockingIOError."""
        try:
            content, descriptors, _, _ = socket.recv_fds(self._socket, _MOST_BYTES, 1)
        except ConnectionError:
            return None
        try:
            if not content:
                return None
            said: dict[str, Any] = json.loads(content)
            problems = tuple(Problem(**problem) for problem in said.pop("problems"))
            snapshot = _from_memory(descriptors[0]) if descriptors else None
            return Message(**said, problems=problems, snapshot=snapshot)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def close(self) -> None:
        """Let go of this end."""
        self._socket.close()


def answer_hello(link: Link, hello: Message, number: int, snapshot: Callable[[], Snapshot]) -> None:
    """Tell a process that has just started which configuration is in use: that of reload *number*.

    *snapshot* is asked only where the process was made with another one.
    """
    missing = None if hello.number == number else snapshot()
    link.send(Message("current", number, asker=hello.asker, snapshot=missing))


def _in_memory(snapshot: Snapshot) -> int:
    content = memoryview(marshal.dumps((snapshot.files, snapshot.folders)))
    descriptor = os.memfd_create("callrouter-configuration")
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _from_memory(descriptor: int) -> Snapshot:
    size, pieces = os.fstat(descriptor).st_size, bytearray()
    while len(pieces) < size:
        pieces += os.pread(descriptor, size - len(pieces), len(pieces))
    # Only our own supervisor writes it, with the same interpreter.
    files, folders = marshal.loads(bytes(pieces))  # noqa: S302 - see above
    return Snapshot(files, folders)
