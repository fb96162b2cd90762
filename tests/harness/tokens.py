"""A server of OAuth2 access tokens, and what is behind it: both on one listener, as strict as the specification."""

from __future__ import annotations

import base64
import json
import threading
import time
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from tests.harness.recording import Received, Recorder, Reply
from tests.harness.vendor import reply

CLIENT, SECRET = "callrouter:crm", "s3cret/of+the=client"


class Tokens:
    """Gives ``/token`` to who knows the client's secret, and takes calls at any other path with a token alone.

    *lasts* is what it says of how long; *pause* is for how long it thinks about each token, in seconds.
    """

    def __init__(self, *, lasts: object = 3600, pause: float = 0.0) -> None:
        self._lasts = lasts
        self._pause = pause
        self._lock = threading.Lock()
        #: Tokens that are good.
        self.good: set[str] = set()
        #: What each request for a token said, in order, credentials excepted.
        self.asked: list[dict[str, str]] = []
        #: What it answers at ``/token`` and elsewhere, in place of what is right.
        self.refusal: Reply | None = None
        self.verdict: Reply | None = None
        self._recorder = Recorder(self._take)

    @property
    def token_url(self) -> str:
        return f"{self._recorder.url}token"

    @property
    def url(self) -> str:
        return f"{self._recorder.url}calls"

    @property
    def taken(self) -> list[Received]:
        """The calls that were accepted."""
        return [one for one in self._recorder.accepted if one.path == "/calls"]

    @property
    def tried(self) -> int:
        """How many requests came for ``/calls``, accepted or not."""
        return sum(one.path == "/calls" for one in self._recorder.requests)

    def expire(self) -> None:
        """Take no token given so far any more."""
        self.good.clear()

    def close(self) -> None:
        self._recorder.close()

    def _take(self, received: Received) -> Reply:
        if urlsplit(received.path).path == "/token":
            return self._give(received)
        scheme, _, token = received.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.good:
            return reply(401, {"error": "invalid_token"}, WWW_Authenticate='Bearer error="invalid_token"')
        return self.verdict or Reply()

    def _give(self, received: Received) -> Reply:
        said = dict(parse_qsl(received.body.decode(), strict_parsing=True))
        scheme, _, pair = received.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            client, secret = map(unquote_plus, base64.b64decode(pair).decode().split(":"))
        else:
            client, secret = said.pop("client_id", ""), said.pop("client_secret", "")
        with self._lock:
            self.asked.append(said | {"by": scheme or "body"})
            number = len(self.asked)
        if self._pause:
            time.sleep(self._pause)  # how long this server takes, not what a test waits for
        if self.refusal is not None:
            return self.refusal
        if (client, secret) != (CLIENT, SECRET):
            return reply(401, {"error": "invalid_client"})
        if said.get("grant_type") != "client_credentials":
            return reply(400, {"error": "unsupported_grant_type"})
        token = f"s3cret-access-{number}"
        self.good.add(token)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self._lasts}
        return Reply(200, json.dumps({key: one for key, one in answer.items() if one is not None}).encode())
