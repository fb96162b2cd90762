"""POST /webhooks/{source}: the door for call events. 200 means that the event is on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, Protocol

import falcon
import falcon.asgi

from router.authentication import Basic, Request, Token
from router.config import Config, Source
from router.errors import Fault, InvalidEvent, NotAuthentic, StoreError
from router.event import check
from router.inbox import NewEntry
from router.web.request import Headers, Incoming, sender

_ACCEPTED = b'{"status": "accepted"}'


class Inbox(Protocol):
    """Where accepted bodies go."""

    async def append(self, entry: NewEntry) -> None:
        """Return when *entry* is on disk; raise StoreError, within about a second, when it is not known to be."""

    def close(self) -> None:
        """Write what still waits and let go."""


class Counters(Protocol):
    """Who is told of every answer. *source* is empty where the request named none that exists."""

    def accepted(self, source: str, seconds: float) -> None:
        """One event was kept, which took *seconds*, and is answered with 200."""

    def rejected(self, source: str, why: str) -> None:
        """One request was refused.

        *why* is unknown_source, encoding, too_large, incomplete, unauthorized, invalid (kept in quarantine) or
        unavailable.
        """


class Webhooks:
    """Accepts call events; answers only after they are on disk."""

    def __init__(
        self, config: Callable[[], Config], inbox: Inbox, counters: Counters, now: Callable[[], float]
    ) -> None:
        self._config = config
        self._inbox = inbox
        self._counters = counters
        self._now = now

    async def on_post(self, req: Incoming, resp: falcon.asgi.Response, source: str) -> None:
        # Once: a reload must not show one request two configurations.
        config = self._config()
        settings = config.sources.get(source)
        if settings is None:
            self._counters.rejected("", "unknown_source")
            raise falcon.HTTPNotFound(description="config.yaml names no such source.")
        body = await self._body(req, source)
        received_at = self._now()
        address, remote = sender(req, config.trusted_proxies)
        if settings.authentication:
            self._authenticate(settings, Request(Headers(req), _query(req), body, address, received_at), resp)
        faults: tuple[Fault, ...] = ()
        call_id = ""
        try:
            call_id = check(body, validation=settings.validation, accept_types=settings.accept_types)
        except InvalidEvent as ex:
            faults = ex.faults
        try:
            await self._inbox.append(NewEntry(source, body, received_at, remote, faults, call_id))
        except StoreError:
            self._counters.rejected(source, "unavailable")
            raise
        if faults:
            self._counters.rejected(source, "invalid")
            if settings.invalid == "refuse":
                raise InvalidEvent(faults)
        else:
            self._counters.accepted(source, self._now() - received_at)
        resp.data = _ACCEPTED

    async def on_options(self, req: Incoming, resp: falcon.asgi.Response, source: str) -> NoReturn:
        # Falcon would answer 200, and 200 means here that an event is on disk.
        raise falcon.HTTPMethodNotAllowed(["POST"])

    async def _body(self, req: Incoming, source: str) -> bytes:
        encoding = req.get_header("Content-Encoding")
        if encoding and encoding.lower() != "identity":
            self._counters.rejected(source, "encoding")
            raise falcon.HTTPUnsupportedMediaType(description="Send the body without a Content-Encoding.")
        try:
            return await req.body()
        except falcon.HTTPError as ex:
            self._counters.rejected(source, "too_large" if ex.status_code == 413 else "incomplete")
            raise

    def _authenticate(self, source: Source, request: Request, resp: falcon.asgi.Response) -> None:
        try:
            for authentication in source.authentication:
                authentication.verify(request)
        except NotAuthentic:
            self._counters.rejected(source.name, "unauthorized")
            for kind, challenge in ((Basic, 'Basic realm="callrouter", charset="UTF-8"'), (Token, "Bearer")):
                if any(isinstance(authentication, kind) for authentication in source.authentication):
                    resp.append_header("WWW-Authenticate", challenge)
            raise


def _query(req: Incoming) -> dict[str, str]:
    if not req.query_string:
        return {}
    return {name: value if isinstance(value, str) else value[-1] for name, value in req.params.items()}
