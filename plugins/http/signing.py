"""An HMAC over the body, in the header and the form in which a receiver looks for it: GitHub's, Stripe's or Slack's."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator

from plugins.http.headers import header_name
from router.plugin import Secret, Settings, setting

_PLACE = re.compile(r"\{\{ *(\w+) *\}\}")


def _takes(text: str, *names: str) -> str:
    known = ", ".join(f"{{{{ {name} }}}}" for name in names)
    for name in _PLACE.findall(text):
        if name not in names:
            raise ValueError(f"{{{{ {name} }}}} is not known here; known are {known}")
    if re.search(r"\{[{%]", _PLACE.sub("", text)):
        raise ValueError(f"only these can be filled in here: {known}")
    return text


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[\x20-\x7e]*", text):
        raise ValueError("it has characters that HTTP forbids in a header")
    return _takes(text, "timestamp", "id")


def _signed(text: str) -> str:
    if "body" not in _PLACE.findall(_takes(text, "body", "timestamp", "id")):
        raise ValueError("{{ body }} is not in it: the signature would say nothing of what is sent")
    return text


class Hmac(Settings):
    """Keys of ``auth: {hmac: …}``; those of a source's ``hmac`` have the same names."""

    header: Annotated[str, AfterValidator(header_name)] = setting(
        "The header that the signature goes into.", example="X-Hub-Signature-256"
    )
    secret: Secret = setting("The secret that both sides know.", example="${CRM_SIGNING_SECRET}")
    algorithm: Literal["sha256", "sha1", "sha512"] = setting("The hash.", default="sha256")
    encoding: Literal["hex", "base64"] = setting("How the signature is written: hex or base64.", default="hex")
    prefix: Annotated[str, AfterValidator(_prefix)] = setting(
        "What stands before the signature. It takes `{{ timestamp }}` and `{{ id }}`, the `webhook-id`.",
        default="",
        example="sha256=",
    )
    signs: Annotated[str, AfterValidator(_signed)] = setting(
        "What is signed. It takes `{{ body }}`, `{{ timestamp }}` and `{{ id }}`.",
        default="{{ body }}",
        example="{{ timestamp }}.{{ body }}",
    )
    timestamp_header: Annotated[str, AfterValidator(header_name)] | None = setting(
        "A header for the moment of the attempt, in seconds since 1970.", default=None, example="X-Request-Timestamp"
    )


def signature(keys: Hmac, key: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Return the headers that prove *body*, of the delivery *key* at the moment *timestamp*."""
    parts = {"id": key.encode(), "timestamp": str(timestamp).encode(), "body": body}
    digest = hmac.digest(keys.secret.reveal().encode(), _filled(keys.signs, parts), keys.algorithm)
    made = digest.hex() if keys.encoding == "hex" else base64.b64encode(digest).decode()
    headers = {keys.header: _filled(keys.prefix, parts).decode() + made}
    return headers if keys.timestamp_header is None else headers | {keys.timestamp_header: str(timestamp)}


def _filled(text: str, parts: Mapping[str, bytes]) -> bytes:
    # In one pass: what a body says of {{ timestamp }} is part of the body.
    pieces = _PLACE.split(text)
    return b"".join(parts[piece] if n % 2 else piece.encode() for n, piece in enumerate(pieces))
