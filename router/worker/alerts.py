"""What an alert says: one sentence for each thing that can need somebody, and the event that carries it. Pure."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import tzinfo

from router import clock
from router.calls import Call, CallState
from router.config.model import Config
from router.event import ALERT, ALERT_SOURCE, CallEvent, read
from router.status import command
from router.units import spell

#: Every ``what`` that is about a destination, and the commands that show more of each.
ABOUT_DESTINATIONS = ("dead_letter", "paused", "backlog", "template")
_COMMANDS = {
    "dead_letter": "deliveries --state dead --destination {about}",
    "paused": "resume {about}",
    "refused": "events --rejected --source {about}",
    "backlog": "deliveries --state ready --destination {about}",
    "template": "deliveries --destination {about}",
    "disk": "status",
    "clock": "status",
}
#: A reason may quote a whole page of somebody's answer.
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, before it is an event. Moments are seconds since 1970."""

    what: str
    #: The destination or source it is about; empty where it is callrouter itself.
    about: str
    since: float
    #: When it is told.
    at: float
    #: How often it was seen since it was last told.
    count: int = 1
    reason: str = ""
    #: Told before, and still going on.
    again: bool = False
    #: Told before, and gone now.
    over: bool = False


def todo(alert: Alert, config: Config) -> str | None:
    """Return the command that shows more, or mends it; None where nothing is left to do."""
    if alert.over:
        return None
    words = "status" if alert.what == "backlog" and not alert.about else _COMMANDS[alert.what]
    return command(words.format(about=alert.about), config.path)


def sentence(alert: Alert, config: Config) -> str:
    """Return the whole alert for a person, the command at its end."""
    text = _over(alert, config) if alert.over else _holds(alert, config)
    reason = f": {_cut(alert.reason)}" if alert.reason and not alert.over else ""
    see = todo(alert, config)
    lead = "Mend it, then" if alert.what == "paused" else "See"
    return f"{text}{reason}".rstrip(".") + "." + (f" {lead}: {see}" if see else "")


def event(alert: Alert, config: Config) -> CallEvent:
    """Return *alert* as an event of source ``callrouter``.

    All alerts about one thing, from its beginning until it is over, are of one call, so that they are told in order.
    """
    fields = {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{alert.what} {alert.about} {alert.since!r}")),
        "event_type": ALERT,
        "event_time": clock.text(alert.at),
        "event_payload": {
            "what": alert.what,
            "destination": alert.about or None if alert.what in ABOUT_DESTINATIONS else None,
            "source": alert.about if alert.what == "refused" else None,
            "count": alert.count,
            "since": clock.text(alert.since),
            "over": alert.over,
            "reason": alert.reason or None,
            "sentence": sentence(alert, config),
            "todo": todo(alert, config),
        },
    }
    return read(json.dumps(fields, ensure_ascii=False).encode(), ALERT_SOURCE, alert.at)


def call(alert: Alert, told: CallEvent) -> Call:
    """Return the call that *told* belongs to: over, and its end told, so that none of its own follows."""
    return Call(
        told.source, told.call_id, CallState.ENDED, started_at=alert.since, first_event_at=alert.since,
        last_event_at=alert.at, last_received_at=alert.at, events=1, ends_told=1,
    )  # fmt: skip


def _holds(alert: Alert, config: Config) -> str:
    about, since = alert.about, _since(alert.since, alert.at, config.timezone)
    still, more = "still " if alert.again else "", "more " if alert.again else ""
    when = f" since {since}" if alert.again or alert.what in ("backlog", "disk", "clock") else ""
    match alert.what:
        case "dead_letter":
            return f"{_many(alert.count, f'{more}dead letter')} at {about}{when}"
        case "paused":
            return f"{about} is {still}paused{when}, nothing is lost"
        case "refused":
            were = "was" if alert.count == 1 else "were"
            return f"{_many(alert.count, f'{more}event')} of {about} {were} refused{when}"
        case "template":
            were = "was" if alert.count == 1 else "were"
            return f"{_many(alert.count, f'{more}delivery')} to {about} {were} sent in plain words{when}"
        case "backlog" if about:
            return f"deliveries to {about} {still}wait{when}"
        case "backlog":
            return f"accepted events {still}wait to be routed{when}"
        case "disk":
            return f"the disk under {config.data} is {still}nearly full{when}"
    return f"the clock is {still}not to be believed{when}, nothing expires"


def _over(alert: Alert, config: Config) -> str:
    lasted = f"after {spell(max(1.0, alert.at - alert.since))}"
    match alert.what:
        case "paused":
            return f"{alert.about} is no longer paused, {lasted}"
        case "backlog" if alert.about:
            return f"no delivery to {alert.about} waits longer than {spell(config.alerts.backlog)} any more, {lasted}"
        case "backlog":
            return f"accepted events are routed in time again, {lasted}"
        case "disk":
            return f"there is room again on the disk under {config.data}, {lasted}"
    return f"the clock is believed again, {lasted}"


def _many(count: int, words: str) -> str:
    plural = f"{words.removesuffix('y')}ies" if words.endswith("y") else f"{words}s"
    return f"{count:,} {words if count == 1 else plural}"


def _since(moment: float, now: float, zone: tzinfo) -> str:
    then, today = clock.local(moment, zone), clock.local(now, zone)
    return f"{then:%H:%M}" if then.date() == today.date() else f"{then:%Y-%m-%d %H:%M}"


def _cut(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 1]}…"
