"""Whatever goes wrong over HTTP, in one shape: ``application/problem+json``, https://www.rfc-editor.org/rfc/rfc9457."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

import falcon
import falcon.asgi

from router.errors import InvalidEvent, NotAuthentic, StoreError

log = logging.getLogger("callrouter.web")

MEDIA_TYPE = "application/problem+json"
#: Seconds a sender is asked to wait before it tries again.
RETRY_AFTER = 5


def problem(status: int, detail: str | None, **more: Any) -> bytes:
    """Return the body of an answer with *status*."""
    told = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return json.dumps({name: value for name, value in told.items() if value is not None}).encode()


def answer(resp: falcon.asgi.Response, status: int, detail: str | None, **more: Any) -> None:
    """Make *resp* say that something is wrong."""
    resp.status = status
    resp.content_type = MEDIA_TYPE
    resp.data = problem(status, detail, **more)
    if status == 503:
        resp.set_header("Retry-After", str(RETRY_AFTER))


def translate(app: falcon.asgi.App[Any, Any]) -> None:
    """Make every error that comes out of *app*'s resources an answer in that shape."""
    app.set_error_serializer(_serialize)
    # Falcon asks the handler of the nearest class, so the order does not matter.
    app.add_error_handler(Exception, _bug)
    app.add_error_handler(InvalidEvent, _invalid)
    app.add_error_handler(NotAuthentic, _stranger)
    app.add_error_handler(StoreError, _away)


def _serialize(req: falcon.Request, resp: falcon.Response, ex: falcon.HTTPError) -> None:
    resp.content_type = MEDIA_TYPE
    resp.data = problem(ex.status_code, ex.description)


async def _invalid(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, ex: InvalidEvent, params: dict[str, Any], **_: Any
) -> None:
    faults = [{"path": fault.path, "text": fault.text} for fault in ex.faults]
    answer(resp, 422, "This is not a call event; it is kept aside for an operator to look at.", faults=faults)


async def _stranger(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, ex: NotAuthentic, params: dict[str, Any], **_: Any
) -> None:
    answer(resp, 401, f"{ex}.")


async def _away(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, ex: StoreError, params: dict[str, Any], **_: Any
) -> None:
    # Why is for the operator's log; it names files of this machine.
    answer(resp, 503, "The event could not be kept. Send it again.")


async def _bug(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, ex: Exception, params: dict[str, Any], **_: Any
) -> None:
    log.error("an answer to %s %s failed", req.method, req.path, exc_info=ex)
    answer(resp, 500, "This is an error in callrouter; its log says more.")
