"""Real gunicorn processes on port 0, and small clients that can misbehave."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from router.inbox import Entry
from router.inbox.reader import InboxReader

SAMPLE = (Path(__file__).parent.parent / "events" / "documented.json").read_bytes()


def event(**changes: Any) -> bytes:
    """An event of a call nobody has heard of; a field set to ``...`` is left out."""
    fields = json.loads(SAMPLE) | {"uuid": str(uuid.uuid4())} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value


class Server:
    """One ingest process and what it has written."""

    def __init__(self, folder: Path, grace: float = 5.0) -> None:
        self.folder = folder
        program = [sys.executable, str(Path(__file__).parent / "program.py"), str(folder), str(grace)]
        environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        self.process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environ)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        until((self.folder / "started").exists)
        self.position: dict[str, int] = {}

    def worker(self) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(until(lambda: children.read_text().split())[0])

    def kept(self) -> list[Entry]:
        """What the inbox has that was not asked for before."""
        reader = InboxReader(self.folder / "inbox")
        entries = reader.read(self.position, 100_000)
        self.position |= {entry.segment: entry.id for entry in entries}
        reader.close()
        return entries

    def counted(self) -> list[str]:
        path = self.folder / "counts"
        return path.read_text().splitlines() if path.exists() else []

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def post(self, path: str, body: Any, method: str = "POST", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named, encode_chunked="Transfer-Encoding" in named)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Answer:
    """An answer with its body; an error must have the one shape that all errors have."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body
        if status >= 400 and body:
            assert headers["content-type"] == "application/problem+json"
            told = json.loads(body)
            assert told["status"] == status
            assert told["title"]
            assert told["type"] == "about:blank"

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="package")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("ingest"))
    yield server
    server.close()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """A server that others have used: ask it only for what is new."""
    shared_server.kept()
    return shared_server


@pytest.fixture
def open_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    opened: list[Server] = []

    def open_one(**options: Any) -> Server:
        opened.append(Server(tmp_path, **options))
        return opened[-1]

    yield open_one
    for server in opened:
        server.close()
