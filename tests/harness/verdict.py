"""What a run under kills must have kept: the promises, judged by what was sent and what arrived, not by any log.

A  every event answered with 200 has arrived at every destination owed it, or is a dead letter
B  no event was accepted by a destination more often than once, plus once for each attempt whose answer could be lost
C  the events of a call first arrive in the order in which they were sent
D  nothing arrives that was not sent
E  the databases are sound, and nothing is left unfinished
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

#: Number of a call, position in it.
Event = tuple[int, int]
#: Call, position, key, accepted: one request at a destination.
Arrival = tuple[int, int, str, bool]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the sender knows: what it sent, and what was answered with 200."""

    sent: frozenset[Event]
    acknowledged: frozenset[Event]

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Read what a load generator has written to *path*."""
        lines: defaultdict[str, set[Event]] = defaultdict(set)
        for line in path.read_text().splitlines():
            what, call, position = line.split()
            lines[what].add((int(call), int(position)))
        return cls(frozenset(lines["sent"]), frozenset(lines["200"]))


@dataclass(slots=True)
class Verdict:
    """The finding for one destination. ``faults`` is empty when all promises were kept."""

    faults: list[str] = field(default_factory=list)
    acknowledged: int = 0
    arrived: int = 0
    dead: int = 0
    duplicates: int = 0
    lost: int = 0
    unordered: int = 0
    #: Requests that a destination got for one event, at most.
    most_requests: int = 0


def judge(
    ledger: Ledger, arrivals: Sequence[Arrival], *, dead: Collection[Event] = (), unknown: Mapping[Event, int]
) -> Verdict:
    """Judge one destination that is owed every event by A to D.

    *unknown* says for an event how many of its attempts ended without anybody knowing whether it had arrived.
    """
    accepted = Counter((call, position) for call, position, _, good in arrivals if good)
    verdict = Verdict(
        acknowledged=len(ledger.acknowledged),
        arrived=len(accepted),
        dead=len(dead),
        duplicates=accepted.total() - len(accepted),
        most_requests=max(Counter((call, position) for call, position, *_ in arrivals).values(), default=0),
    )
    faults = verdict.faults
    lost = ledger.acknowledged - accepted.keys() - set(dead)
    unordered = out_of_order(arrivals)
    verdict.lost, verdict.unordered = len(lost), len(unordered)
    faults += _some("A", "acknowledged and never arrived", lost)
    repeated = {event for event, times in accepted.items() if times > 1 + unknown.get(event, 0)}
    faults += _some("B", "accepted more often than once and once for each unknown attempt", repeated)
    keys: defaultdict[Event, set[str]] = defaultdict(set)
    for call, position, key, _ in arrivals:
        keys[call, position].add(key)
    faults += _some("B", "came under more than one webhook-id", {event for event, ids in keys.items() if len(ids) > 1})
    faults += _some("C", "arrived after a later event of their call", unordered)
    faults += _some("D", "arrived and were never sent", accepted.keys() - ledger.sent)
    return verdict


def out_of_order(arrivals: Iterable[Arrival]) -> set[Event]:
    """Return events that were first accepted after a later one of their call."""
    newest: dict[int, int] = {}
    seen: set[Event] = set()
    wrong = set()
    for call, position, _, good in arrivals:
        if not good or (call, position) in seen:
            continue
        seen.add((call, position))
        if position < newest.get(call, -1):
            wrong.add((call, position))
        newest[call] = max(position, newest.get(call, -1))
    return wrong


def sound(data: Path) -> list[str]:
    """Return what SQLite finds wrong with any database in *data* (E)."""
    faults = []
    for path in sorted(data.rglob("*.sqlite")):
        try:
            with closing(sqlite3.connect(path)) as database:
                result = database.execute("pragma integrity_check").fetchall()
        except sqlite3.DatabaseError as ex:
            result = [(str(ex),)]
        if result != [("ok",)]:
            faults.append(f"E: {path.name}: {result[:3]}")
    return faults


def unfinished(counts: Mapping[str, int]) -> list[str]:
    """Return a fault when the store still has deliveries to make (E)."""
    left = {state: number for state, number in counts.items() if number}
    return [f"E: unfinished deliveries: {left}"] if left else []


def _some(letter: str, what: str, events: Collection[Event]) -> list[str]:
    return [f"{letter}: {len(events)} events {what}, such as {sorted(events)[:5]}"] if events else []
