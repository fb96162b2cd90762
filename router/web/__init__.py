"""HTTP: the door for call events, and the listener for operators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import falcon.asgi

from router import clock
from router.config import Config
from router.web import errors
from router.web.health import Health, Metrics, Readiness
from router.web.request import Incoming
from router.web.webhooks import Counters, Inbox, Webhooks

__all__ = ["Counters", "Inbox", "make_admin_app", "make_ingest_app"]

App = falcon.asgi.App[Any, Any]


def make_ingest_app(
    config: Callable[[], Config],
    inbox: Inbox,
    counters: Counters,
    readiness: Callable[[], Sequence[str]],
    now: Callable[[], float] = clock.now,
) -> App:
    """Return the application of the public listener. It closes *inbox* when the server that runs it stops.

    *config* returns the configuration in use; it is asked once for each request. ``readiness`` returns a sentence for
    each reason why callrouter is not doing its work; it is called in a thread.
    """
    app = _make_app(readiness, request_type=Incoming, middleware=[_Closing(inbox)])
    app.add_route("/webhooks/{source}", Webhooks(config, inbox, counters, now))
    return app


def make_admin_app(metrics: Callable[[], bytes], readiness: Callable[[], Sequence[str]]) -> App:
    """Return the application of the operators' listener. ``metrics`` returns Prometheus's text format.

    Both are called in a thread.
    """
    app = _make_app(readiness)
    app.add_route("/metrics", Metrics(metrics))
    return app


def _make_app(readiness: Callable[[], Sequence[str]], **options: Any) -> App:
    app: App = falcon.asgi.App(**options)
    errors.translate(app)
    app.add_route("/healthz", Health())
    app.add_route("/readyz", Readiness(readiness))
    return app


class _Closing:
    """Falcon calls this once, at the end of the server's life; it costs a request nothing."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        await asyncio.to_thread(self._inbox.close)
