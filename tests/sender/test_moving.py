"""A sender takes another configuration between two attempts, and loses no job by it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.config import load
from router.reload.link import Link, Message
from router.sender import Outcome
from router.sender.frames import Decoder, encode
from tests.harness.recording import Received, Recorder, Reply
from tests.harness.waiting import until
from tests.sender.conftest import make_job

PROGRAM = """
import socket, sys
from pathlib import Path
from router.config import load
from router.reload.link import Link
from router.sender import Share
from router.sender.process import run
config, jobs, reload = Path(sys.argv[1]), *(socket.socket(fileno=int(fd)) for fd in sys.argv[2:])
sys.exit(run(load(config), jobs, Share(0, 1), reload=Link(reload), grace=20.0))
"""


def text(url: str, **keys: object) -> str:
    more = "".join(f", {name}: {value}" for name, value in keys.items())
    return f"""sources: {{wavix: {{}}}}
destinations:
  crm: {{type: http, url: "{url}"{more}}}
  always: {{type: console}}
always: [crm, always]
unmatched: drop
alerts: none
"""


class Moved:
    """A sender with a configuration from a file."""

    def __init__(self, folder: Path, config: str) -> None:
        self.path = folder / "config.yaml"
        self.path.write_text(config)
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(20)
        self.link, its_link = Link.pair()
        given = [theirs.fileno(), its_link.fileno()]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.path), *map(str, given)],
            pass_fds=given,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        theirs.close()
        its_link.close()
        self._decoder = Decoder(Outcome)
        self._outcomes: list[Outcome] = []

    def give(self, *numbers: int) -> None:
        self.socket.sendall(encode([make_job(number, "crm") for number in numbers]))

    def outcome(self) -> Outcome:
        while not self._outcomes:
            self._outcomes += self._decoder.feed(self.socket.recv(65536))
        return self._outcomes.pop(0)

    def move(self, config: str) -> None:
        self.path.write_text(config)
        self.link.send(Message("prepare", 1, snapshot=load(self.path).snapshot))
        assert self._said().kind == "ready"
        self.link.send(Message("commit", 1))
        assert self._said().kind == "committed"

    def _said(self) -> Message:
        # BlockingIOError means not yet.
        return until(self.link.receive, 20, what="the sender answers")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.socket.close()
        self.link.close()


class Gate:
    """Answers once it is opened."""

    def __init__(self) -> None:
        self.open, self.begun = threading.Event(), threading.Event()

    def __call__(self, _: Received) -> Reply:
        self.begun.set()
        self.open.wait(20)
        return Reply()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def test_what_waits_in_a_sender_goes_to_the_new_address(tmp_path, gate):
    with Recorder(gate) as before, Recorder() as after:
        sender = Moved(tmp_path, text(before.url, concurrency=1))
        try:
            sender.give(1, 2)
            assert gate.begun.wait(20)
            sender.move(text(after.url, concurrency=1))
            gate.open.set()

            assert [(one.delivery_id, one.kind) for one in (sender.outcome(), sender.outcome())] == [
                (1, "delivered"),
                (2, "delivered"),
            ]
            assert (len(before.requests), len(after.requests)) == (1, 1)
        finally:
            sender.close()


@pytest.mark.parametrize("gone", ["removed", "disabled"])
def test_what_waits_for_a_destination_that_is_gone_comes_back(tmp_path, gate, gone):
    with Recorder(gate) as recorder:
        config = text(recorder.url, concurrency=1)
        without = config.replace("crm:", "other:").replace("[crm", "[other")
        sender = Moved(tmp_path, config)
        try:
            sender.give(1, 2)
            assert gate.begun.wait(20)
            sender.move(without if gone == "removed" else text(recorder.url, concurrency=1, enabled="false"))
            back = sender.outcome()
            assert (back.delivery_id, back.kind) == (2, "released")
            sender.give(3)
            assert sender.outcome().kind == "released"
            gate.open.set()
            # What was under way has ended as if nothing had happened.
            assert sender.outcome()[:3] == (1, 1, "delivered")

            sender.move(config)
            sender.give(4)
            assert sender.outcome()[:3] == (4, 1, "delivered")
        finally:
            sender.close()


def test_a_sender_ends_with_its_supervisor(tmp_path):
    sender = Moved(tmp_path, text("http://127.0.0.1:1/"))
    try:
        sender.link.close()
        assert sender.process.wait(20) == 0
    finally:
        sender.close()
