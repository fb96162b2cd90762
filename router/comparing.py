"""Two configurations over the same events: which deliveries one makes and the other does not. Nothing is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from operator import attrgetter

from router.config.model import SWITCHED_OFF, Config
from router.deciding import Decided
from router.event import CallEvent
from router.matching import Subject
from router.playing import Player
from router.routes import Decision, Routes

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


@dataclass(frozen=True, slots=True)
class _TwoDecisions(Decision):
    old: Decision
    new: Decision


@dataclass(frozen=True, slots=True)
class _Both(Routes):
    """Two routes asked at once: what is worked out of each event and its call is worked out once."""

    old: Routes = field(kw_only=True)
    new: Routes = field(kw_only=True)

    def decide(self, subject: Subject, *, from_sender: bool = True, fired: Set[str] = frozenset()) -> _TwoDecisions:
        """Return both decisions; what fired for each is kept apart by a sign that no rule's name has."""
        old = self.old.decide(subject, from_sender=from_sender, fired={name[1:] for name in fired if name[0] == "<"})
        new = self.new.decide(subject, from_sender=from_sender, fired={name[1:] for name in fired if name[0] == ">"})
        marked = (*(f"<{name}" for name in old.fired), *(f">{name}" for name in new.fired))
        return _TwoDecisions((), (), False, marked, old, new)


class _Side:
    """Who is owed what by one of the two configurations."""

    def __init__(self, config: Config, names: Mapping[str, str]) -> None:
        self._routes = config.routes
        self._names = {
            name: names.get(name, name) for name, one in config.destinations.items() if one.disabled != SWITCHED_OFF
        }

    def owed(self, decision: Decision) -> dict[str, str]:
        """Return destination → who asks for the delivery."""
        names = self._names
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
        self._players: _Together | _Apart = (_Together if _alike(old, new) else _Apart)(old, new)
        self._since = since
        self._examples = examples
        self._rows: dict[tuple[str, str], Row] = {}
        self._other_rule: Counter[tuple[str, str, str]] = Counter()
        self._events = 0

    def hear(self, event: CallEvent) -> None:
        """Take the next event, none of them twice."""
        self._events += event.received_at >= self._since
        self._take(self._players.hear(event))

    def report(self, until: float) -> Report:
        """Return the difference, with the ends of calls that are due before *until*. No event may follow."""
        self._take(self._players.until(until))
        rows = sorted(self._rows.values(), key=attrgetter("destination", "rule"))
        return Report(self._events, tuple(rows), dict(sorted(self._other_rule.items())))

    def _take(self, pairs: Iterable[_Pair]) -> None:
        for event, old, new in pairs:
            if event.received_at >= self._since:
                self._compare(event, self._old.owed(old) if old else {}, self._new.owed(new) if new else {})

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


#: An event with what each of the two decides; None where one of them never says it.
_Pair = tuple[CallEvent, Decision | None, Decision | None]


def _alike(old: Config, new: Config) -> bool:
    """Whether the two differ in nothing but who hears of what."""
    nobody = Routes(())
    deciders = [replace(one.decider, routes=nobody) for one in (old, new)]
    return deciders[0] == deciders[1] and old.stale_after == new.stale_after


class _Together:
    """Both decide as one."""

    def __init__(self, old: Config, new: Config) -> None:
        decider = replace(old.decider, routes=_Both((), old=old.routes, new=new.routes))
        self._player = Player(decider, stale_after=old.stale_after, distinct=True)

    def hear(self, event: CallEvent) -> Iterator[_Pair]:
        return self._pairs(self._player.hear(event))

    def until(self, moment: float) -> Iterator[_Pair]:
        return self._pairs(self._player.until(moment))

    def _pairs(self, decided: Iterable[Decided]) -> Iterator[_Pair]:
        for one in decided:
            two = one.decision
            if isinstance(two, _TwoDecisions):
                yield one.event, two.old, two.new


class _Apart:
    """Each decides for itself. They may differ in when a call is over: ends are brought together by their number."""

    def __init__(self, old: Config, new: Config) -> None:
        self._players = tuple(Player(one.decider, stale_after=one.stale_after, distinct=True) for one in (old, new))
        #: What one has said of a call, and the other not yet: its place in the pair, and what it said.
        self._ahead: dict[tuple[str, str, int], tuple[int, Decided]] = {}

    def hear(self, event: CallEvent) -> Iterator[_Pair]:
        (*old_ends, old), (*new_ends, new) = (player.hear(event) for player in self._players)
        yield from self._ends(old_ends, new_ends)
        yield event, old.decision, new.decision

    def until(self, moment: float) -> Iterator[_Pair]:
        yield from self._ends(*(player.until(moment) for player in self._players))
        for side, decided in self._ahead.values():
            yield decided.event, *((None, decided.decision) if side else (decided.decision, None))

    def _ends(self, *ends: Iterable[Decided]) -> Iterator[_Pair]:
        for side, told in enumerate(ends):
            for decided in told:
                key = (decided.event.source, decided.event.call_id, decided.call.ends_told)
                if self._ahead.get(key, (side,))[0] == side:
                    self._ahead[key] = (side, decided)
                    continue
                said = self._ahead.pop(key)[1]
                old, new = (said, decided) if side else (decided, said)
                yield decided.event, old.decision, new.decision
