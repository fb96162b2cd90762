"""A destination inside the test: keeps every request whole and answers as told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived. Header names are lower case; ``at`` is on the monotonic clock."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Break the connection instead: whatever the judge did is done, and nobody hears of it.
    lost: bool = False


Judge = Callable[[Received], Reply]


class Recorder:
    """A listening destination. *judge* decides each answer; by default everything is welcome."""

    def __init__(self, judge: Judge = lambda _: Reply()) -> None:
        self._judge = judge
        self._lock = threading.Lock()
        self._requests: list[tuple[Received, Reply]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(), bind_and_activate=True)
        self._server.daemon_threads = True
        # A keep-alive connection's thread waits for its next request; closing must not wait for it.
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it takes requests."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    @property
    def requests(self) -> list[Received]:
        """Every request so far, in order of arrival."""
        with self._lock:
            return [received for received, _ in self._requests]

    @property
    def accepted(self) -> list[Received]:
        """The requests that were answered with a 2xx."""
        with self._lock:
            return [received for received, reply in self._requests if 200 <= reply.status < 300]

    @property
    def refusals(self) -> list[Reply]:
        """What was answered to the others."""
        with self._lock:
            return [reply for _, reply in self._requests if not 200 <= reply.status < 300]

    def judge(self, judge: Judge) -> None:
        """Decide answers differently from now on."""
        self._judge = judge

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, received: Received) -> Reply:
        reply = self._judge(received)
        with self._lock:
            self._requests.append((received, reply))
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body of an answer are two writes; Nagle would hold the second back for 40 ms.
            disable_nagle_algorithm = True

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = recorder._take(Received(self.command, self.path, headers, body, time.monotonic()))
                if reply.lost:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - names fixed by the standard library

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
