"""What is kept of an answer for the operator who asks what the destination said, and what of it is never shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from router.outgoing.redaction import Redaction

#: So many characters of a body are kept; there the destination says what it dislikes.
BODY = 2048

#: So many of a header.
HEADER = 200

#: Headers that help to find out why; no other is kept, least of all ``Set-Cookie`` and ``Authorization``.
HEADERS = {
    "allow", "cf-ray", "content-encoding", "content-length", "content-type", "date", "request-id", "retry-after",
    "server", "trace-id", "traceparent", "via", "www-authenticate", "x-amz-request-id", "x-amzn-requestid",
    "x-amzn-trace-id", "x-correlation-id", "x-error-code", "x-error-message", "x-hubspot-correlation-id",
    "x-request-id", "x-slack-failure", "x-slack-req-id", "x-trace-id",
}  # fmt: skip

#: Groups of such headers, by their beginnings: how much the destination will still take.
GROUPS = ("ratelimit", "x-ratelimit-", "x-rate-limit-")


class Heard(NamedTuple):
    """The answer to one request, as it came. ``headers`` have lower-case names, ``body`` may be its beginning only."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    #: From looking up the name to the last byte that was read.
    seconds: float


def kept(heard: Heard, redact: Redaction) -> dict[str, Any]:
    """Return what is kept of *heard*, as JSON has it: ``status``, ``seconds``, ``headers``, ``body`` and ``cut``.

    ``cut`` says that the body went on. No secret that *redact* knows is in it, nor half of one at the end.
    """
    window = 4 * BODY
    text = readable(heard.body[:window], redact, cut=len(heard.body) >= window)
    return {
        "status": heard.status,
        "seconds": round(heard.seconds, 4),
        "headers": {
            name: redact(value)[:HEADER]
            for name, value in sorted(heard.headers.items())
            if name in HEADERS or name.startswith(GROUPS)
        },
        "body": text[:BODY],
        "cut": len(text) > BODY or len(heard.body) > window,
    }


def readable(beginning: bytes, redact: Redaction, *, cut: bool) -> str:
    """Return the *beginning* of a body as text without secrets; *cut* says that there was more of it."""
    text = beginning.decode("utf-8", "replace")
    return redact.beginning(text) if cut else redact(text)
