"""What people read of sample calls at each destination, for its page of the manual: the golden renderings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from router import samples
from router.plugin import Answer
from router.registry import discover
from router.testing import RecordingHttp, RecordingMail, Request, SentMail
from tests.harness import teams
from tests.harness.crms import CRMS, connected
from tests.harness.recording import Recorder
from tests.harness.vendor import keep
from tests.harness.whole_calls import deliveries, ends


def _slack(request: Request) -> str:
    text: str = request.json["text"]
    return text


def _pagerduty(request: Request) -> str:
    event = request.json
    if event["event_action"] == "resolve":
        return "resolves the incident of this call, if there is one"
    details = (f"{name}: {value}" for name, value in event["payload"]["custom_details"].items())
    return f"{event['payload']['summary']}\n" + "\n".join(details)


def _teams(request: Request) -> str:
    return teams.read(request.json["attachments"][0]["content"])


def _discord(request: Request) -> str:
    text: str = request.json["content"]
    return text.rpartition("\n")[0]


def _email(mail: SentMail) -> str:
    body = mail.message.get_body(["plain"])
    text = body.get_content() if body is not None else ""
    return f"Subject: {mail.message['Subject']}\n{text.partition('-- ')[0]}"


def _telegram(request: Request) -> str:
    text: str = request.json["text"]
    return text.rpartition("\n")[0]


#: Type → its settings, and what is read of the last request.
_READERS: Mapping[str, tuple[dict[str, Any], Callable[[Any], str]]] = {
    "discord": ({"url": "https://discord.com/api/webhooks/1/x"}, _discord),
    "email": ({"server": "mail.example", "sender": "a@example.com", "to": "b@example.com"}, _email),
    "pagerduty": ({"key": "0" * 32}, _pagerduty),
    "slack": ({"url": "https://hooks.slack.com/services/T0/B0/x"}, _slack),
    "teams": ({"url": "https://prod-01.logic.azure.com/workflows/x"}, _teams),
    "telegram": ({"token": "1:x", "chat": "1"}, _telegram),
}


def _apprise(call: str) -> str:
    """Apprise connects by itself, to a receiver of ours."""
    plugin = discover().plugins["apprise"].plugin
    with Recorder() as here:
        url = here.url.replace("http://", "json://")
        made = plugin(plugin.Settings.model_validate({"url": url}), RecordingHttp())
        for delivery in deliveries(call, ends):
            made.deliver(delivery)
        told = here.requests[-1].json()
    return f"{told['title']}\n{told['message']}"


def _record(type_: str, call: str) -> str:
    """The fields of the one record that a CRM has of the call, but for those by which callrouter knows it again."""
    _, made = CRMS[type_]
    vendor = made()
    try:
        keep(connected(type_, vendor), deliveries(call, ends))
        [record] = vendor.records
    finally:
        vendor.close()
    lines = []
    for name, value in record.items():
        if name != "id" and not name.lower().startswith("callrouter"):
            first, *more = re.split("<br>|\n", str(value))
            lines += [f"{name}: {first}", *(f"  {line}" for line in more if not line.startswith("callrouter "))]
    return "\n".join(lines)


def said(type_: str, call: str) -> str:
    """Return what stands at a destination of *type_* when the sample *call* is over, as the people there read it."""
    if type_ in CRMS:
        return _record(type_, call)
    return _apprise(call) if type_ == "apprise" else _READERS[type_][1](sent(type_, call))


def sent(type_: str, call: str) -> Any:
    """Return the last Request, or SentMail, by which a destination of *type_* is told of the sample *call*."""
    settings, _ = _READERS[type_]
    plugin = discover().plugins[type_].plugin
    http = RecordingHttp(Answer(200, {}, b'{"id": "1", "result": {"message_id": 1}}'))
    mail = RecordingMail()
    made = plugin(plugin.Settings.model_validate(settings), http, *([mail] if plugin.uses_mail else []))
    for delivery in deliveries(call, ends):
        made.deliver(delivery)
    return mail.sent[-1] if plugin.uses_mail else http.requests[-1]


def page(type_: str) -> str:
    """Return the six sample calls, and a third missed call of one customer on one day, as a block of the manual."""
    parts = []
    for name in (*samples.names(), "third try"):
        lines = [line for line in said(type_, name).splitlines() if line]
        parts += [f"{name if n == 0 else '':<11}{line}" for n, line in enumerate(lines)]
        parts.append("")
    return "```text\n" + "\n".join(parts).strip() + "\n```\n"
