"""Tells the destinations of ``alerts:`` what needs somebody: once per thing and window, and never of an alert.

Everything happens inside the transaction of the turn that has found it out. What is known of each thing is in the
store, so that a restart repeats nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from router.calls import Step, facts
from router.config import Config
from router.config.model import Destination
from router.event import ALERT
from router.store import Attempt, Claim, Concern, NewDelivery, NewEvent, State, Store
from router.units import spell
from router.worker.alerts import ABOUT_DESTINATIONS, Alert, call, event
from router.worker.clockwatch import ClockWatch
from router.worker.routing import Routed

#: Seconds between looks at what no turn brings along: what waits, and the disk.
LOOK = 30.0
#: An alert that could not be delivered for so long, in seconds, is no news.
EXPIRE = 12 * 3600.0
#: Things that happen; all others go on until they are over.
_HAPPEN = ("dead_letter", "refused", "template")
#: A disk has room again when this much more than the limit is free: else every file would be told.
_ROOM = 1.1


class Turn(Protocol):
    """What is to be seen of a turn."""

    attempts: list[tuple[Claim, Attempt]]
    routed: list[tuple[Routed, float]]
    #: Destinations that were paused, with the reason.
    paused: list[tuple[str, str]]
    ticked: bool


class Alerting:
    """Decides under one configuration what is told; a reload makes a new one.

    Everything is to be called inside a transaction of the store. When that is rolled back, ``forget`` must follow.
    """

    def __init__(self, store: Store, config: Config, now: float, *, node: str = "") -> None:
        """Decide for *node*; without a name there is no other, and what is known is known here."""
        self._store = store
        self._node = node
        self._config = config
        self._concerns: dict[tuple[str, str], Concern] | None = None
        # What had to wait while no worker ran is given the time to be sent.
        self._next_look = now + LOOK
        self._told: list[Alert] = []

    def forget(self) -> None:
        """Ask the store again what is known: what was remembered may never have happened."""
        self._concerns = None
        self._told.clear()

    def follow(self, turn: Turn, now: float, lag: float, watch: ClockWatch, *, leads: bool = True) -> None:
        """Make the alerts that follow from what *turn* has done, and at a tick from how things stand.

        *lag* is how far routing is behind, in seconds. Of nodes one *leads*, and looks at what is the same for all.
        """
        if not self._config.alerts.to:
            return
        if self._node:
            # Another node may have told of it since: the store is asked, and nobody else tells meanwhile.
            self._concerns = None
        self._hear(turn, now)
        if turn.ticked and leads:
            self._look(now, lag, watch)
        elif turn.ticked and self._is_time(now):
            self._look_at_the_disk(now)

    def told(self) -> list[Alert]:
        """Return the alerts made since the last call. They are in the store, with their deliveries."""
        told, self._told = self._told, []
        return told

    def _hear(self, turn: Turn, now: float) -> None:
        happened: dict[tuple[str, str], tuple[int, str]] = {}
        for claim, attempt in turn.attempts:
            if (attempt.state is State.DEAD or attempt.unfilled) and claim.event_type != ALERT:
                what = "template" if attempt.unfilled else "dead_letter"
                count, _ = happened.get((what, claim.destination), (0, ""))
                happened[what, claim.destination] = (count + 1, attempt.reason or "")
        for one, _ in turn.routed:
            if one.quarantined is not None:
                count, _ = happened.get(("refused", one.source), (0, ""))
                happened["refused", one.source] = (count + 1, _fault(one))
        for (what, about), (count, reason) in happened.items():
            self._happened(what, about, count, reason, now)
        for about, reason in turn.paused:
            self._holds("paused", about, reason, now)

    def _look(self, now: float, lag: float, watch: ClockWatch) -> None:
        right = watch.believes(now)
        if right:
            self._ends("clock", "", now)
        else:
            off = watch.off_by(now)
            self._holds("clock", "", f"it jumped {'forward' if off > 0 else 'back'} by {spell(abs(off))}", now)
        if any(what == "paused" and not one.over for (what, _), one in self._known.items()):
            self._look_at_pauses(now)
        if self._is_time(now):
            self._look_at_the_disk(now)
            # While the clock is off, nobody knows how long anything has waited.
            if right:
                self._look_at_backlogs(now, lag)
        for one in list(self._known.values()):
            if self._is_due(one, now) and (one.over or one.what in _HAPPEN):
                self._close_window(one, now)

    def _is_time(self, now: float) -> bool:
        """Whether to look at what costs more than a look; True once for each ``LOOK``."""
        if self._next_look - LOOK <= now < self._next_look:
            return False
        self._next_look = now + LOOK
        return True

    # What goes on ----------------------------------------------------------------------------------------

    @property
    def _known(self) -> dict[tuple[str, str], Concern]:
        if self._concerns is None:
            self._concerns = {(one.what, one.about): one for one in self._store.concerns()}
        return self._concerns

    def _is_due(self, one: Concern, now: float) -> bool:
        """Whether the window after the last alert is over; it is when the clock was set back as well."""
        return one.told_at is None or not one.told_at <= now < one.told_at + self._config.alerts.every

    def _happened(self, what: str, about: str, count: int, reason: str, now: float) -> None:
        one = self._known.get((what, about))
        again = one is not None and not (one.untold == 0 and self._is_due(one, now))
        if one is None or not again:
            one = Concern(what, about, since=now, last_at=now)
        one.untold, one.last_at, one.reason = one.untold + count, now, reason
        self._keep(one, now, tell=self._is_due(one, now), again=again)

    def _holds(self, what: str, about: str, reason: str, now: float, *, since: float | None = None) -> None:
        one = self._known.get((what, about))
        begins = one is None or one.over
        if one is None:
            one = Concern(what, about, since=now if since is None else since, last_at=now, untold=1)
        elif one.over:
            one.over, one.untold, one.since = False, 1, now if since is None else since
        one.last_at, one.reason = now, reason
        due = self._is_due(one, now)
        # Going on is no news of its own: nothing is written for it until the window is over.
        if begins or due:
            self._keep(one, now, tell=due, again=not one.untold)

    def _ends(self, what: str, about: str, now: float) -> None:
        one = self._known.get((what, about))
        if one is None or one.over:
            return
        one.over = True
        # Where nobody has heard of its beginning, its end is no news.
        self._keep(one, now, tell=not one.untold)

    def _close_window(self, one: Concern, now: float) -> None:
        if one.untold and not one.over:
            self._keep(one, now, tell=True, again=True)
        else:
            self._store.forget_concern(one)
            del self._known[one.what, one.about]

    def _keep(self, one: Concern, now: float, *, tell: bool, again: bool = False) -> None:
        if tell:
            self._make(Alert(one.what, one.about, one.since, now, max(1, one.untold), one.reason, again, one.over))
            one.told_at, one.untold = now, 0
        self._known[one.what, one.about] = one
        self._store.keep_concern(one)

    # What no turn brings along ---------------------------------------------------------------------------

    def _look_at_pauses(self, now: float) -> None:
        reasons = self._store.paused()
        for what, about in list(self._known):
            if what == "paused" and about in reasons and about in self._config.destinations:
                self._still(what, about, reasons[about], now)
            elif what == "paused":
                self._ends(what, about, now)

    def _still(self, what: str, about: str, reason: str, now: float) -> None:
        """Say that it goes on; one that was over and came back by an operator's hand stays over."""
        if not self._known[what, about].over:
            self._holds(what, about, reason, now)

    def _look_at_backlogs(self, now: float, lag: float) -> None:
        limit = self._config.alerts.backlog
        behind = {"": (now - lag, "")} if lag > limit else {}
        for name, waiting in self._store.waiting().items():
            # One that was never tried and is not due waits because it should.
            if now - waiting.since > limit and (waiting.attempts or waiting.due_at <= now):
                behind[name] = (waiting.since, waiting.reason or "none was tried yet")
        for about, (since, reason) in behind.items():
            self._holds("backlog", about, reason, now, since=since)
        for what, about in list(self._known):
            if what == "backlog" and about not in behind:
                self._ends(what, about, now)

    def _look_at_the_disk(self, now: float) -> None:
        try:
            usage = shutil.disk_usage(self._config.data)
        except OSError:
            return
        free, limit = usage.free / max(1, usage.total), self._config.alerts.disk
        if free < limit:
            self._holds("disk", self._node, f"{free:.1%} is free, less than {limit:.0%}", now)
        elif free >= limit * _ROOM:
            self._ends("disk", self._node, now)

    # Telling ---------------------------------------------------------------------------------------------

    def _make(self, alert: Alert) -> None:
        told, config = event(alert, self._config), self._config
        about = call(alert, told)
        # As of a call of which nothing is known: a plugin finds every fact that it knows of.
        known = facts(about, told, Step(), zone=config.timezone, region=config.region, hours=config.hours)
        self._store.keep_call(about)
        self._store.add_event(
            NewEvent(
                key=told.key, source=told.source, call_id=told.call_id, event_type=told.event_type,
                event_time=told.event_time, received_at=told.received_at, body=told.body, facts=known, late=False,
                config_version=config.version, rules=(), unmatched=False, from_sender=False,
            ),
            [NewDelivery(to.name, None, to.order == "call") for to in self._recipients(alert)],
            now=alert.at,
        )  # fmt: skip
        self._told.append(alert)

    def _recipients(self, alert: Alert) -> Sequence[Destination]:
        """Return who is told: never the destination that cannot be told, or that would be told of itself for ever."""
        destinations = [self._config.destinations[name] for name in self._config.alerts.to]
        on = [one for one in destinations if one.disabled is None]
        itself = alert.about if alert.what in ABOUT_DESTINATIONS and alert.what != "template" else ""
        return [one for one in on if one.name != itself]


def terms(destination: Destination, event_type: str) -> Destination:
    """Return *destination* as it is for an event of this type: an alert is too old sooner than other news."""
    if event_type != ALERT:
        return destination
    return replace(destination, expire=min(EXPIRE, destination.expire or EXPIRE))


def _fault(routed: Routed) -> str:
    if not routed.faults:
        return ""
    first = routed.faults[0]
    return f"{first.path} {first.text}" if first.path else first.text
