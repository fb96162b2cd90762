"""Jobs, and a real sender process on the other end of a socketpair."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.calls import Call
from router.reload.link import Link
from router.sender import Job, Outcome
from router.sender.frames import Decoder, encode
from tests.harness.waiting import until

PROGRAM = Path(__file__).with_name("a_sender.py")
CALL = Call("wavix", "c1")
BODY = json.dumps({"uuid": "c1", "event_type": "ringing", "event_time": "2025-09-22T12:56:38Z"}).encode()


def make_job(number: int, destination: str = "fast", *, body: bytes = BODY) -> Job:
    key, facts = f"key-{number}", '{"first":true}'
    return Job(number, 1, destination, "rule", key, "wavix", 1000.0, body, facts, CALL.values(), None)


class SenderProcess:
    """A sender with destinations ``name: concurrency``; see a_sender.py for what their plugins do."""

    def __init__(self, folder: Path, concurrency: dict[str, int], *, share: tuple[int, int], grace: float) -> None:
        self.folder = folder
        self.socket, theirs = socket.socketpair()
        self.link, its_link = Link.pair()
        arguments = json.dumps(
            {
                "fd": theirs.fileno(),
                "reload": its_link.fileno(),
                "folder": str(folder),
                "to": concurrency,
                "share": share,
                "grace": grace,
            }
        )
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, arguments],
            pass_fds=[theirs.fileno(), its_link.fileno()],
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        theirs.close()
        its_link.close()
        self._decoder = Decoder(Outcome)
        self.frames: list[int] = []
        self.socket.settimeout(20)

    def give(self, *jobs: Job) -> None:
        self.socket.sendall(encode(jobs))

    def outcomes(self, count: int) -> list[Outcome]:
        """Return the next *count* outcomes, or as many as came before the sender was gone."""
        got: list[Outcome] = []
        while len(got) < count and (piece := self.socket.recv(65536)):
            rows = self._decoder.feed(piece)
            self.frames.append(len(rows))
            got += rows
        return got

    def begun(self, count: int) -> None:
        """Return once *count* attempts at stuck destinations have begun."""
        wait_for(lambda: len(list(self.folder.glob("begun-*"))) >= count)

    def let_go(self) -> None:
        (self.folder / "go").touch()

    def close(self) -> str:
        self.socket.close()
        self.link.close()
        self.let_go()
        _, errors = self.process.communicate(timeout=20)
        return errors.decode()


def wait_for(condition: Callable[[], bool]) -> None:
    until(condition, 20, every=0.005)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., SenderProcess]]:
    started: list[SenderProcess] = []

    def make(share: tuple[int, int] = (0, 1), grace: float = 20.0, **concurrency: int) -> SenderProcess:
        started.append(SenderProcess(tmp_path, concurrency, share=share, grace=grace))
        return started[-1]

    yield make
    for each in started:
        each.process.kill()
        each.close()
