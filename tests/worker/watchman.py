"""Alerts on a real store, with a test in the place of the worker's turns and of time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from router.calls import Call
from router.config import load
from router.errors import Fault
from router.store import Attempt, Claim, DeliveryRow, EventRow, Filter, NewDelivery, NewEvent, Owed, State
from router.store.sqlite.reading import SqliteReading
from router.store.sqlite.store import SqliteStore
from router.worker.alerting import LOOK, Alerting
from router.worker.clockwatch import ClockWatch
from router.worker.loop import Turn
from router.worker.routing import Routed

CONFIG = """
timezone: Europe/London
sources: {wavix: {}}
destinations:
  crm: {type: http, url: "https://crm.example"}
  ops: {type: slack, url: "https://hooks.example", text: "Missed {{ event.from | phone }}"}
  pager: {type: http, url: "https://pager.example"}
always: [crm]
unmatched: drop
rules: []
alerts: {to: [ops, pager], every: 1h, backlog: 15m, disk: 0.001%}
"""
#: A Monday, 5 January 2026, at noon in London.
NOON = 1_767_614_400.0
HOUR = 3600.0


class Watchman:
    """Alerts, the store they are in, and a clock that a test moves."""

    def __init__(self, folder: Path, text: str = CONFIG) -> None:
        self._path = folder / "config.yaml"
        self._path.write_text(text)
        self.config = load(self._path)
        self.data = self.config.data
        self.store = SqliteStore.open(self.data)
        self.store.know(self.config.destinations, {})
        self.now = NOON
        self.monotonic = 0.0
        self.watch = ClockWatch(self.now, lambda: self.monotonic)
        self.alerting = Alerting(self.store, self.config, self.now)

    def restart(self, text: str | None = None) -> None:
        """Forget everything that is not on disk; go on with *text* where there is one."""
        if text is not None:
            self._path.write_text(text)
            self.config = load(self._path)
        self.store.close()
        self.store = SqliteStore.open(self.data)
        self.alerting = Alerting(self.store, self.config, self.now)

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic += seconds

    def turn(self, turn: Turn | None = None, *, tick: bool = False, lag: float = 0.0) -> list[str]:
        """Take one turn; return the sentences of its alerts."""
        turn, before = turn or Turn(), len(self.events())
        turn.ticked = tick
        with self.store.transaction():
            self.alerting.follow(turn, self.now, lag, self.watch)
        self.alerting.told()
        return [sentence for sentence, _ in self.alerts()[before:]]

    def look(self, *, lag: float = 0.0) -> list[str]:
        """Let so much time pass that everything is looked at; return the sentences of what is told."""
        self.later(LOOK + 1)
        return self.turn(tick=True, lag=lag)

    def dead(
        self, destination: str = "crm", count: int = 1, reason: str = "it said no", **changes: object
    ) -> list[str]:
        return self.turn(self.ended(destination, State.DEAD, count, reason, **changes))

    def ended(
        self, destination: str, state: State, count: int = 1, reason: str | None = None, *,
        event_type: str = "ringing", unfilled: bool = False,
    ) -> Turn:  # fmt: skip
        """A turn in which attempts at *destination* ended."""
        call = Call("wavix", "c1")
        claim = Claim(
            1, 1, destination, None, "k", "wavix", 0.0, b"{}", "{}", call, None, 1, event_type, "c1", Owed(0, 0)
        )
        attempt = Attempt(1, 1, "w", state, "x", reason, 422, self.now, self.now, unfilled=unfilled)
        return Turn(attempts=[(claim, attempt)] * count)

    def refused(self, source: str = "wavix", count: int = 1) -> list[str]:
        one = Routed(source, quarantined=1, faults=(Fault("event_time", "is missing"),))
        return self.turn(Turn(routed=[(one, self.now)] * count))

    def pause(self, destination: str = "crm", reason: str = "it answered 401") -> list[str]:
        self.store.pause(destination, reason, "", self.now)
        return self.turn(Turn(paused=[(destination, reason)]))

    def owe(self, destination: str = "crm", *, key: int = 1) -> None:
        """Owe *destination* an event that is accepted now."""
        event = NewEvent(
            key.to_bytes(24, "big"), "wavix", f"c{key}", "ringing", self.now, self.now, b"{}", {}, False, "v", [], False
        )
        self.store.add_event(event, [NewDelivery(destination, None, True)], now=self.now)

    def alerts(self) -> list[tuple[str, list[str]]]:
        """Return (sentence, who is told) of every alert, first to last."""
        return [(json.loads(row.body)["event_payload"]["sentence"], self.told(row)) for row in reversed(self.events())]

    def events(self) -> Sequence[EventRow]:
        with closing(SqliteReading.open(self.data)) as reading:
            return reading.events(Filter(event_type="alert"), 1000)

    def told(self, row: EventRow) -> list[str]:
        return sorted(one.destination for one in self.deliveries() if one.event_id == row.id)

    def deliveries(self) -> Sequence[DeliveryRow]:
        with closing(SqliteReading.open(self.data)) as reading:
            return reading.deliveries(Filter(), 1000)

    def counts(self) -> Counter[str]:
        return Counter(json.loads(row.body)["event_payload"]["what"] for row in self.events())

    def close(self) -> None:
        self.store.close()
