"""A helper process and the connection it is told things on: JSON lines over a socketpair.

The helper ends when the connection does, so none outlives its test.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
Handler = Callable[..., Awaitable[Any]]


class Helper:
    """One running helper: ``python -m MODULE --control FD`` with a way to ask it things."""

    def __init__(self, module: str, *arguments: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", module, "--control", str(theirs.fileno()), *arguments]
            self._process = subprocess.Popen(command, cwd=_ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self._socket = ours
        self._lines = ours.makefile("rb")

    @property
    def pid(self) -> int:
        """The helper's process id."""
        return self._process.pid

    def ask(self, command: str, deadline: float = 10.0, **arguments: Any) -> Any:
        """Carry out *command* and return its answer; raise AssertionError when it fails or takes too long."""
        self._socket.settimeout(deadline)
        self._socket.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")
        try:
            line = self._lines.readline()
        except TimeoutError:
            raise AssertionError(f"the helper did not answer {command!r} within {deadline:g} s") from None
        assert line, f"the helper ended at {command!r} (exit code {self._process.wait(5)})"
        answer = json.loads(line)
        assert "error" not in answer, f"{command!r}: {answer['error']}"
        return answer["result"]

    def close(self) -> None:
        """End the helper."""
        self._lines.close()
        self._socket.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)


async def answer(fd: int, handlers: Mapping[str, Handler]) -> None:
    """In the helper: carry out commands from the connection, one after the other, until it closes."""
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=fd), limit=1 << 24)
    while line := await reader.readline():
        question = json.loads(line)
        try:
            result = {"result": await handlers[question.pop("command")](**question)}
        except Exception as ex:  # noqa: BLE001 - whatever went wrong is for the test to see
            result = {"error": f"{type(ex).__name__}: {ex}"}
        writer.write(json.dumps(result).encode() + b"\n")
        await writer.drain()
    # Nothing is worth tidying up: whoever started this process is done with it.
    os._exit(0)
