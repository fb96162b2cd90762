"""Posts each call event to any HTTP endpoint: the sender's own JSON, or a body from a template.

Every request carries ``webhook-id`` and ``webhook-timestamp``, and with a secret ``webhook-signature``, as
https://www.standardwebhooks.com has them: the receiver can drop what it has seen, and check who sent it.
"""

from __future__ import annotations

import json
import re
import time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from router.plugin import Delivery, Plugin, Secret, Settings, Template, Url, check_secret, setting, sign

#: Headers that are HTTP's own business, or say what this plugin says.
_RESERVED = {"host", "content-length", "transfer-encoding", "connection",
             "webhook-id", "webhook-timestamp", "webhook-signature"}  # fmt: skip


def _header_fields(headers: dict[str, Secret]) -> dict[str, Secret]:
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ValueError(f'"{name}" is no name of a header')
        if name.lower() in _RESERVED:
            raise ValueError(f'the header "{name}" is set by callrouter')
        if not re.fullmatch(r"[\x20-\x7e\xa0-\xff]*", value.reveal()):
            raise ValueError(f'the header "{name}" has characters that HTTP forbids')
    return headers


def _signing_secrets(secrets: tuple[Secret, ...]) -> tuple[Secret, ...]:
    for secret in secrets:
        check_secret(secret)
    return secrets


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, (str, Secret)) else value


class HttpSettings(Settings):
    """Keys of a ``type: http`` destination."""

    url: Url = setting(
        "Where to send. It may carry a token and is never shown. `{{ … }}` may stand in its path and query.",
        example="https://crm.example.com/calls",
    )
    method: Literal["POST", "PUT", "PATCH"] = setting("The HTTP method: POST, PUT or PATCH.", default="POST")
    headers: Annotated[dict[str, Secret], AfterValidator(_header_fields)] = setting(
        "Further headers. Their values are never shown.", default={}, example='{Authorization: "Bearer ${CRM_TOKEN}"}'
    )
    body: Template | None = setting(
        "What to send instead of the sender's own JSON. Where the content type is JSON (the default), values are "
        "escaped for use inside quotes; write `{{ value | tojson }}` without quotes for numbers and nulls.",
        default=None,
        example='{"phone": "{{ facts.customer_number }}"}',
    )
    secret: Annotated[tuple[Secret, ...], BeforeValidator(_as_list), AfterValidator(_signing_secrets)] = setting(
        "Signs every request (`whsec_…`). A list signs with each of them, so that a receiver can change to a new one "
        "at leisure.",
        default=(),
    )


class Http(Plugin[HttpSettings]):
    """Tells any program that speaks HTTP."""

    type = "http"
    Settings = HttpSettings
    # The webhook-id is the same over all attempts: a receiver knows what it has seen.
    repeatable = True
    # A receiver mostly keeps a record of the call, and the last event to arrive wins there.
    order = "call"

    def deliver(self, delivery: Delivery) -> None:
        headers: dict[str, str | Secret] = {"Content-Type": "application/json", **self.settings.headers}
        kind = next(value for name, value in reversed(headers.items()) if name.lower() == "content-type")
        body = self._body(delivery, "json" in (kind.reveal() if isinstance(kind, Secret) else kind).lower())
        if delivery.unfilled:
            others = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            headers = {"Content-Type": "application/json", **others}
        timestamp = int(time.time())
        headers |= {"webhook-id": delivery.key, "webhook-timestamp": str(timestamp)}
        if self.settings.secret:
            headers["webhook-signature"] = sign(self.settings.secret, delivery.key, timestamp, body)
        self.http.request(self.settings.method, delivery.address(self.settings.url), headers=headers, body=body)

    def _body(self, delivery: Delivery, is_json: bool) -> bytes:
        """Return what the template makes, or the sender's own JSON where there is none or it cannot be filled in."""
        if self.settings.body is None:
            return delivery.body
        if is_json:
            text = delivery.render(self.settings.body, _inside_json, "", fault=_not_json)
        else:
            text = delivery.render(self.settings.body, fallback="")
        return delivery.body if delivery.unfilled else text.encode()


def _not_json(text: str) -> str | None:
    try:
        json.loads(text)
    except ValueError as ex:
        return f"the body it makes is not JSON: {ex}"
    return None


def _inside_json(value: Any) -> str:
    """Write *value* as the inside of a JSON string; numbers and booleans as JSON has them."""
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)[1:-1]
