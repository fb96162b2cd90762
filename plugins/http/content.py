"""What is sent: the sender's own JSON, a body from a template, a form, or nothing; and the envelope around it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from plugins.http.checks import WITHOUT_BODY
from plugins.http.settings import HttpSettings
from router.plugin import Delivery, Secret, Template, form

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
#: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#32-structured-content-mode
_CLOUDEVENT = "application/cloudevents+json; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Content:
    """A body and its content type; both None where nothing is sent. The type is secret where the operator wrote it."""

    kind: str | Secret | None
    body: bytes | None


def content(settings: HttpSettings, delivery: Delivery) -> Content:
    """Return what *delivery* sends."""
    if settings.body is None and settings.form:
        return Content(_FORM, form({name: _field(one, delivery) for name, one in settings.form.items()}))
    if settings.body is None and settings.envelope is None and settings.method in WITHOUT_BODY:
        return Content(None, None)
    own = next((value for name, value in settings.headers.items() if name.lower() == "content-type"), None)
    is_json = own is None or "json" in own.reveal().lower()
    body = _body(settings.body, delivery, is_json=is_json)
    if settings.envelope is not None:
        return Content(_CLOUDEVENT, _cloudevent(delivery, body))
    # The sender's own JSON takes the place of a body that cannot be made, whatever that was to be.
    return Content(_JSON if own is None or delivery.unfilled else own, body)


def _body(template: Template | None, delivery: Delivery, *, is_json: bool) -> bytes:
    """Return what *template* makes, or the sender's own JSON where there is none or it cannot be filled in."""
    if template is None:
        return delivery.body
    if is_json:
        text = delivery.render(template, _inside_json, "", fault=_not_json)
    else:
        text = delivery.render(template, fallback="")
    return delivery.body if delivery.unfilled else text.encode()


def _field(template: Template, delivery: Delivery) -> str:
    """Return one field of a form. It may be empty, and what stands fixed in it is said of an alert, too."""
    if delivery.is_alert and all(fixed for fixed, _ in template.parts()):
        return template.source
    return delivery.render(template, fault=lambda _: None)


def _cloudevent(delivery: Delivery, data: bytes) -> bytes:
    """Return *data*, JSON as bytes, with the attributes of https://github.com/cloudevents/spec/blob/v1.0.2."""
    event = delivery.event
    attributes = {
        "specversion": "1.0",
        "id": delivery.key,
        "source": f"/callrouter/{event['source']}",
        "type": f"callrouter.{event['event_type']}",
        "time": _moment(event["event_time"]),
        "datacontenttype": _JSON,
    }
    if event.get("uuid"):
        attributes["subject"] = event["uuid"]
    # The sender's bytes as they are: read and written again, a long number would be another.
    return json.dumps(attributes, ensure_ascii=False)[:-1].encode() + b', "data": ' + data + b"}"


def _moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.isoformat().replace("+00:00", "Z")


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
