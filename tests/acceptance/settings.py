"""Configurations and events that the acceptance tests share."""

from __future__ import annotations

from tests.harness.daemon import LISTEN
from tests.harness.events import OpenCall, TimeText

#: Quick enough for a test, long enough to be given up by no test.
RETRY = "retry: {first: 100ms, factor: 1, max: 200ms, give_up_after: 1h}"


def to_each(**urls: str) -> str:
    """A configuration that sends every event to each of these HTTP destinations, in order per call."""
    destinations = "".join(
        f'  {name}: {{type: http, url: "{url}", order: call, {RETRY}}}\n' for name, url in urls.items()
    )
    return f"""{LISTEN}
sources:
  wavix: {{}}
destinations:
{destinations}
rules: []
always: [{", ".join(urls)}]
unmatched: drop
alerts: none
"""


def an_event(call: int = 0) -> bytes:
    """The first event of a call, as its sender would post it."""
    return events(call)[0]


def events(call: int = 0) -> list[bytes]:
    """All events of a call."""
    clock = TimeText()
    going = OpenCall(call, 1, clock.now())
    bodies = []
    while not going.over:
        bodies.append(going.write(clock.now(), 0))
    return bodies
