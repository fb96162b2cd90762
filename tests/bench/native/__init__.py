"""Sender and destination in C, for benchmarks of the whole way: Python's own would take a third of both cores.

They stand in for ``tests.harness.load`` (its mode "open") and ``tests.harness.receiver``; where no compiler is, those
are used, and the report says so.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.harness.events import _TEMPLATES

_HERE = Path(__file__).parent
_PLACES = {b"%(uuid)b": b"%u", b"%(time)b": b"%t", b"%(started)b": b"%s", b"%(mark)b": b"%m"}


def compiler() -> str | None:
    """Return the C compiler of this machine, None where there is none."""
    return shutil.which("cc")


@functools.cache
def _built(name: str) -> Path:
    program = Path(tempfile.mkdtemp(prefix="callrouter-native-")) / name
    command = [str(compiler()), "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-o", str(program), f"{name}.c"]
    subprocess.run(command, cwd=_HERE, check=True)
    return program


class _Native:
    def __init__(self, name: str, *arguments: str | bytes) -> None:
        self._process = subprocess.Popen([_built(name), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self._process.pid

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"it ended with exit code {self._process.wait(5)}"
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        for end in (self._process.stdin, self._process.stdout):
            if end is not None:
                end.close()
        self._process.wait(5)

    def __exit__(self, *_: object) -> None:
        self.close()


class Receiver(_Native):
    """The destination. ``url`` is where it takes requests."""

    def __init__(self, counters: Path) -> None:
        super().__init__("receiver", str(counters))
        self.url = f"http://127.0.0.1:{self.hear()}/"

    def forget_latencies(self) -> None:
        """Begin the latencies anew."""
        self.say("forget")
        self.hear()

    def report(self) -> dict[str, Any]:
        """Return counts, and latency percentiles in microseconds."""
        self.say("report")
        return dict(self.hear())

    def __enter__(self) -> Receiver:
        return self


class Load(_Native):
    """The sender, in its mode "open"."""

    def __init__(self, url: str, *, counters: Path, connections: int = 64) -> None:
        address = urlsplit(url)
        templates = []
        for template in _TEMPLATES:
            text = template
            for place, short in _PLACES.items():
                text = text.replace(place, short)
            templates.append(text)
        super().__init__(
            "generator",
            str(address.hostname),
            str(address.port),
            address.path,
            str(connections),
            str(counters),
            *templates,
        )

    def start(self, mode: str, *, rate: float, seconds: float) -> None:
        """Begin to send; *mode* is "open"."""
        assert mode == "open"
        self.say(f"{rate} {seconds}")

    def wait(self, deadline: float) -> dict[str, Any]:
        """Return answers by status and their latency percentiles in microseconds once all are there."""
        del deadline
        return dict(self.hear())

    def __enter__(self) -> Load:
        return self
