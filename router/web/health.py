"""GET /healthz, /readyz and /metrics: what probes and Prometheus ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import falcon.asgi

from router.web import errors


class Health:
    """/healthz: the process lives and answers. It says nothing of anything else, so that nothing else restarts it."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.data = b'{"status": "alive"}'

    on_head = on_get


class Readiness:
    """/readyz: 200 when callrouter does its work, else 503 with every reason why not."""

    def __init__(self, reasons: Callable[[], Sequence[str]]) -> None:
        self._reasons = reasons

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        # It may look at files: a slow disk must not hold up the events.
        reasons = await asyncio.to_thread(self._reasons)
        if reasons:
            errors.answer(resp, 503, "; ".join(reasons), reasons=list(reasons))
        else:
            resp.data = b'{"status": "ready"}'

    on_head = on_get


class Metrics:
    """/metrics, in Prometheus's text format."""

    def __init__(self, render: Callable[[], bytes]) -> None:
        self._render = render

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.data = await asyncio.to_thread(self._render)
        # https://prometheus.io/docs/instrumenting/exposition_formats/
        resp.content_type = "text/plain; version=0.0.4; charset=utf-8"
