"""Which deliveries a command is about: the options, and what they come to before anything is changed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from router.cli import options, screen
from router.cli.screen import Column

if TYPE_CHECKING:
    from router.config.model import Config
    from router.store import DeliveryRow, Reading

F = TypeVar("F", bound=Callable[..., object])

#: Ids of deliveries that one question to the store looks through.
_WINDOW = 100_000
#: Deliveries listed before the question; the count says how many more there are.
_LISTED = 20
#: Naming up to so many by their numbers is consent enough.
_UNASKED = 10
_WHERE = ("destination", "rule", "source", "call", "event_id", "since", "until", "silence")


def options_of_filter(command: F) -> F:
    """Add the options that choose deliveries."""
    for option in reversed(
        (
            click.option("--destination", metavar="NAME", help="Only those owed to this destination."),
            click.option("--rule", metavar="NAME", help="Only those that this rule asked for."),
            click.option("--source", metavar="NAME", help="Only of calls of this source."),
            click.option("--call", metavar="UUID", help="Only of this call."),
            click.option("--event", "event_id", metavar="ID", type=int, help="Only of this event."),
            options.since_option,
            click.option(
                "--until",
                type=options.Ago(),
                metavar="WHEN",
                help="Only those received before that long ago (30m, 2h), or before a moment.",
            ),
            click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the N oldest of them."),
        )
    ):
        command = option(command)
    return command


@dataclass(slots=True)
class Chosen:
    """What the options, or numbers, have come to. ``arguments`` is what a recorded command says of it."""

    total: int = 0
    arguments: dict[str, Any] = field(default_factory=dict)
    #: The oldest of them.
    rows: list[DeliveryRow] = field(default_factory=list)
    #: (destination, state) → how many.
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Numbers that were named and do not fit.
    missing: list[int] = field(default_factory=list)
    by_number: bool = False

    @property
    def certain(self) -> bool:
        """Whether few were named one by one, so that nobody needs to be asked."""
        return self.by_number and self.total <= _UNASKED


def given(where: dict[str, Any]) -> bool:
    """Whether any option was given that chooses."""
    return any(where.get(name) is not None for name in _WHERE)


def by_number(store: Reading, ids: Sequence[int], fits: Callable[[DeliveryRow], bool]) -> Chosen:
    """Return those of *ids* that there are and that fit."""
    from router.store import Filter

    found = {
        row.id: row
        for number in ids
        for row in store.deliveries(Filter(before_id=number + 1), 1)
        if row.id == number and fits(row)
    }
    rows = [found[number] for number in sorted(found)]
    return Chosen(
        total=len(rows),
        arguments={"deliveries": [row.id for row in rows], "expected": len(rows)},
        rows=rows[:_LISTED],
        counts=Counter((row.destination, row.state.word) for row in rows),
        missing=[number for number in ids if number not in found],
        by_number=True,
    )


def by_filter(store: Reading, where: dict[str, Any], limit: int | None) -> Chosen:
    """Return all that fit *where*, an option's name → its value, and ``state`` or ``unfinished``."""
    from router.store import Filter

    said = {name: value for name, value in where.items() if value is not None and value is not False}
    if call := said.pop("call", None):
        said["call_id"] = options.whole_call(store, str(call))
    state = said.get("state")
    asked = Filter(**{**said, "state": options.state_named(state) if state else None})
    chosen = Chosen()
    firsts, lasts = [], []
    for after, to in _windows(store):
        for one in store.count(asked, after, to):
            chosen.counts[one.destination, one.state.word] += one.number
            firsts.append(one.first)
            lasts.append(one.last)
    chosen.total = chosen.counts.total()
    if not firsts:
        return chosen
    after = min(firsts) - 1
    most = _LISTED if limit is None else min(limit, _LISTED)
    chosen.rows = store.deliveries(asked, most, after=after)
    chosen.arguments = {"where": said, "after": after, "to": max(lasts), "expected": chosen.total}
    if limit is not None and limit < chosen.total:
        chosen.total = chosen.arguments["expected"] = chosen.arguments["limit"] = limit
    return chosen


def _windows(store: Reading) -> list[tuple[int, int]]:
    from router.store import Filter

    newest, oldest = store.deliveries(Filter(), 1), store.deliveries(Filter(), 1, after=0)
    if not newest:
        return []
    last = newest[0].id
    return [(after, min(after + _WINDOW, last)) for after in range(oldest[0].id - 1, last, _WINDOW)]


def show(chosen: Chosen, config: Config) -> None:
    """Print the oldest of them, and how many there are of each destination and state."""
    now = time.time()
    columns = [Column("id", right=True), Column("received"), Column("destination"), Column("type", keep=5)]
    screen.table(
        [*columns, Column("state"), Column("reason", fold=True), Column("call", keep=1)],
        [
            [
                str(row.id),
                screen.when(row.received_at, config.timezone, now),
                row.destination,
                row.event_type,
                screen.state(row.state.word),
                row.reason or "",
                row.call_id,
            ]
            for row in chosen.rows
        ],
    )
    if chosen.total > len(chosen.rows):
        screen.talk(f"… and {chosen.total - len(chosen.rows):,} more")
    if len(chosen.counts) > 1:
        counts = (f"{name} {state}: {count:,}" for (name, state), count in sorted(chosen.counts.items()))
        screen.talk(("Of these, the oldest: " if "limit" in chosen.arguments else "") + ", ".join(counts))
