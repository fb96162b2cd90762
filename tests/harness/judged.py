"""An ``Http`` whose other side is a judge inside the test, and whose failures are those of the real one."""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from router.errors import AnswerLost
from router.outgoing import Redaction
from router.outgoing.answers import excerpt, failure
from router.plugin import Answer, Secret
from tests.harness.recording import Judge, Received, Reply


class JudgedHttp:
    """Asks *judge* for each answer. The requests whose numbers (from 0) are in *lose* are heard, but not answered."""

    def __init__(self, judge: Judge, lose: frozenset[int] | set[int] = frozenset()) -> None:
        self._judge = judge
        self._lose = lose
        #: Every request with its whole address as the path.
        self.requests: list[Received] = []
        self.replies: list[Reply] = []

    def request(
        self,
        method: str,
        url: str | Secret,
        *,
        headers: Mapping[str, str | Secret] | None = None,
        json: Any = None,
        body: bytes | None = None,
        for_access: bool = False,
    ) -> Answer:
        address = url.reveal() if isinstance(url, Secret) else url
        sent = {
            name.lower(): value.reveal() if isinstance(value, Secret) else value
            for name, value in (headers or {}).items()
        }
        if json is not None:
            body = json_format.dumps(json, ensure_ascii=False).encode()
            sent["content-type"] = "application/json"
        received = Received(method, address, sent, body or b"", time.monotonic())
        reply = self._judge(received)
        self.requests.append(received)
        self.replies.append(reply)
        host = urlsplit(address).hostname or ""
        if len(self.requests) - 1 in self._lose:
            raise AnswerLost(f"{host} did not answer within 30s; whether it accepted is not known")
        given = {name.lower(): value for name, value in reply.headers.items()}
        if 200 <= reply.status < 300:
            return Answer(reply.status, given, reply.body)
        raise failure(host, reply.status, given, excerpt(reply.body, Redaction([])), now=0.0)
