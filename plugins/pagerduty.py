"""Opens an incident in PagerDuty for a missed call, and resolves it when it turns out not to have been missed.

Events API v2: https://developer.pagerduty.com/docs/send-alert-event
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from router.plugin import (
    HEADLINE,
    Delivery,
    DestinationUnusable,
    PermanentFailure,
    Plugin,
    Secret,
    Settings,
    Template,
    TemporaryFailure,
    Trial,
    setting,
)

#: https://developer.pagerduty.com/docs/send-alert-event#parameters
MAX_SUMMARY = 1024
MAX_KEY = 255
#: Facts of a call are short; what is not was written by a stranger.
MAX_DETAIL = 500
#: "Retrying 3 times with each request being 30 seconds apart"; it sends no Retry-After.
LIMITED = 30.0

_HOSTS = {"us": "events.pagerduty.com", "eu": "events.eu.pagerduty.com"}

_DETAILS = (
    "direction",
    "from",
    "to",
    "outcome",
    "tag",
    "started_at",
    "ended_at",
    "ring_seconds",
    "talk_seconds",
    "calls_today",
    "missed_today",
    "uuid",
)


def _integration_key(key: Secret) -> Secret:
    if not re.fullmatch(r"[A-Za-z0-9]{32}", key.reveal()):
        raise ValueError("an integration key of the Events API v2 has 32 letters and digits")
    return key


class PagerDutySettings(Settings):
    """Keys of a ``type: pagerduty`` destination."""

    key: Annotated[Secret, AfterValidator(_integration_key)] = setting(
        "The integration key of an *Events API v2* integration of your service.", example="${PAGERDUTY_KEY}"
    )
    region: Literal["us", "eu"] = setting("Where your PagerDuty account is: `us` or `eu`.", default="us")
    severity: Literal["critical", "error", "warning", "info"] = setting(
        "How bad it is: `critical`, `error`, `warning` or `info`.", default="error"
    )
    resolve: bool = setting(
        "Whether a call that was answered resolves its incident. `false`: a person resolves each.", default=True
    )
    text: Template = setting("The title of the incident.", default=HEADLINE)


class PagerDuty(Plugin[PagerDutySettings]):
    """Wakes whoever is on call."""

    type = "pagerduty"
    Settings = PagerDutySettings
    trial = Trial({"key": "s3cretabcdef0123456789abcdef0123"})
    # One call is one dedup_key.
    repeatable = True
    # A resolve before its trigger would leave an incident open for ever.
    order = "call"

    def deliver(self, delivery: Delivery) -> None:
        event: dict[str, Any] = {"routing_key": self.settings.key.reveal(), "dedup_key": _dedup_key(delivery)}
        if _is_over(delivery) or (self.settings.resolve and delivery.call["answered"]):
            event["event_action"] = "resolve"
        else:
            event |= {"event_action": "trigger", "client": "callrouter", "payload": self._payload(delivery)}
        try:
            self.http.request("POST", f"https://{_HOSTS[self.settings.region]}/v2/enqueue", json=event)
        except TemporaryFailure as ex:
            if ex.status != 429 or ex.retry_after is not None:
                raise
            failure: Exception = TemporaryFailure(ex.reason, status=ex.status, retry_after=LIMITED)
        except PermanentFailure as ex:
            if not re.search(r"routing.?key", ex.reason, re.IGNORECASE):
                raise
            failure = DestinationUnusable(f"the integration key is refused: {ex.reason}", status=ex.status)
        else:
            return
        raise failure

    def _payload(self, delivery: Delivery) -> dict[str, Any]:
        summary = " ".join(delivery.render(self.settings.text).split())
        call = delivery.call
        return {
            "summary": summary if len(summary) <= MAX_SUMMARY else summary[: MAX_SUMMARY - 1] + "…",
            # What an incident is about, for PagerDuty's own rules and grouping: the number that was called.
            "source": _cut(call["to"]) or "callrouter",
            "severity": self.settings.severity,
            "timestamp": call["ended_at"] or call["last_event_at"],
            "component": _cut(call["source"]),
            "group": delivery.rule or delivery.destination,
            "class": "alert" if delivery.is_alert else "missed call" if call["missed"] else "call",
            "custom_details": _details(delivery.facts, call),
        }


def _details(facts: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the person who is woken wants to know; what is not known is left out."""
    number = facts.get("customer_number")
    found = {"call back": f"tel:{number}" if number else None, **{name: call[name] for name in _DETAILS}}
    return {name.replace("_", " "): _cut(value) for name, value in found.items() if value not in (None, "")}


def _is_over(delivery: Delivery) -> bool:
    """Return whether this is an alert which says that what it was about has ended."""
    return delivery.is_alert and bool(delivery.event["event_payload"]["over"])


def _cut(value: Any) -> Any:
    return value[: MAX_DETAIL - 1] + "…" if isinstance(value, str) and len(value) > MAX_DETAIL else value


def _dedup_key(delivery: Delivery) -> str:
    """Return the same key for every event of a call."""
    call = delivery.call
    return f"callrouter:{call['source']}:{call['uuid']}"[:MAX_KEY]
