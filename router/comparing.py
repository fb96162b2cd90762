"""Two configurations over the same events: which deliveries one makes and the other does not. Nothing is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from router.config.model import SWITCHED_OFF, Config
from router.deciding import Decided
from router.event import CallEvent
from router.playing import Player

#: Who asks where no rule does.
ALWAYS, UNMATCHED = "always:", "unmatched:"


@dataclass(frozen=True, slots=True)
class Example:
    """One delivery that only one of the two configurations makes. ``gained`` is that of the new one."""

    gained: bool
    received_at: float
    event_type: str
    call_id: str
    from_: str
    to: str


@dataclass(slots=True)
class Row:
    """Deliveries to one destination that one rule asks for. ``rule`` may also be ``always:`` or ``unmatched:``."""

    destination: str
    rule: str
    gained: int = 0
    lost: int = 0
    unchanged: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Report:
    """The difference. What is ``unchanged`` counts for the rule of the new configuration."""

    events: int
    rows: tuple[Row, ...]
    #: Destination, old rule, new rule → unchanged deliveries that another rule asks for.
    other_rule: Mapping[tuple[str, str, str], int]

    @property
    def gained(self) -> int:
        """Deliveries that only the new configuration makes."""
        return sum(row.gained for row in self.rows)

    @property
    def lost(self) -> int:
        """Deliveries that only the old configuration makes."""
        return sum(row.lost for row in self.rows)

    @property
    def unchanged(self) -> int:
        """Deliveries that both make."""
        return sum(row.unchanged for row in self.rows)


class _Side:
    """One of the two configurations, and who is owed what by it."""

    def __init__(self, config: Config, names: Mapping[str, str]) -> None:
        self._routes = config.routes
        self._names = {
            name: names.get(name, name) for name, one in config.destinations.items() if one.disabled != SWITCHED_OFF
        }
        self.player = Player(config.decider, stale_after=config.stale_after, distinct=True)

    def owed(self, decided: Decided) -> dict[str, str]:
        """Return destination → who asks for the delivery."""
        decision, names = decided.decision, self._names
        return {
            names[send.destination]: send.rule or self._asker(send.destination, unmatched=decision.unmatched)
            for send in decision.sends
            if send.destination in names
        }

    def _asker(self, destination: str, *, unmatched: bool) -> str:
        return UNMATCHED if unmatched and destination in self._routes.unmatched else ALWAYS


class Comparison:
    """Hears events in order of receipt; ``report`` is the difference.

    What is received before *since* only makes calls known. A destination that is off for lack of a variable counts as
    on, one with ``enabled: false`` as off; one that was renamed with ``formerly`` is the same. At most *examples* are
    kept of what each row gained, and of what it lost.
    """

    def __init__(self, old: Config, new: Config, *, since: float, examples: int) -> None:
        renamed = {one.formerly: name for name, one in new.destinations.items() if one.formerly}
        self._old, self._new = _Side(old, renamed), _Side(new, {})
        self._since = since
        self._examples = examples
        self._rows: dict[tuple[str, str], Row] = {}
        self._other_rule: Counter[tuple[str, str, str]] = Counter()
        #: What one side has said itself of a call, and the other not yet: the two may differ in when a call is over.
        self._ahead: dict[tuple[_Side, str, str, int], Decided] = {}
        self._events = 0

    def hear(self, event: CallEvent) -> None:
        """Take the next event, none of them twice."""
        *old_ends, old = self._old.player.hear(event)
        *new_ends, new = self._new.player.hear(event)
        self._ends(old_ends, new_ends)
        if event.received_at >= self._since:
            self._events += 1
            self._compare(event, self._old.owed(old), self._new.owed(new))

    def report(self, until: float) -> Report:
        """Return the difference, with the ends of calls that are due before *until*."""
        self._ends(self._old.player.until(until), self._new.player.until(until))
        for (side, *_), decided in self._ahead.items():
            if decided.event.received_at < self._since:
                continue
            owed = side.owed(decided)
            self._compare(decided.event, *((owed, {}) if side is self._old else ({}, owed)))
        self._ahead.clear()
        rows = sorted(self._rows.values(), key=attrgetter("destination", "rule"))
        return Report(self._events, tuple(rows), dict(sorted(self._other_rule.items())))

    def _ends(self, old: Iterable[Decided], new: Iterable[Decided]) -> None:
        for side, other, ends in ((self._old, self._new, old), (self._new, self._old, new)):
            for decided in ends:
                key = (decided.event.source, decided.event.call_id, decided.call.ends_told)
                if (said := self._ahead.pop((other, *key), None)) is None:
                    self._ahead[side, *key] = decided
                elif decided.event.received_at >= self._since:
                    pair = (said, decided) if side is self._new else (decided, said)
                    self._compare(decided.event, self._old.owed(pair[0]), self._new.owed(pair[1]))

    def _compare(self, event: CallEvent, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        for destination, rule in new.items():
            row = self._row(destination, rule)
            before = old.get(destination)
            if before is None:
                row.gained += 1
                self._remember(row, event, gained=True)
                continue
            row.unchanged += 1
            if before != rule:
                self._other_rule[destination, before, rule] += 1
        for destination, rule in old.items():
            if destination not in new:
                row = self._row(destination, rule)
                row.lost += 1
                self._remember(row, event, gained=False)

    def _row(self, destination: str, rule: str) -> Row:
        row = self._rows.get((destination, rule))
        if row is None:
            row = self._rows[destination, rule] = Row(destination, rule)
        return row

    def _remember(self, row: Row, event: CallEvent, *, gained: bool) -> None:
        if (row.gained if gained else row.lost) > self._examples:
            return
        numbers = (str(event.fields.get(name) or "") for name in ("from", "to"))
        row.examples.append(Example(gained, event.received_at, event.event_type, event.call_id, *numbers))
