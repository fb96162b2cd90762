"""Compare what two configurations make of the stored events, and send nothing."""

from __future__ import annotations

import operator
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from router import clock
from router.cli import options, screen
from router.cli.screen import Cell, Column

if TYPE_CHECKING:
    from router.comparing import Report, Row
    from router.config.model import Config
    from router.event import CallEvent
    from router.store import Reading

#: Events are read in pages, so that no read transaction is long.
_PAGE = 2000
_COMPARE: dict[str, Callable[[int, int], bool]] = {">": operator.gt, ">=": operator.ge, "=": operator.eq}


class _Limit(NamedTuple):
    """One ``--fail-if``."""

    text: str
    what: str
    compare: str
    number: int

    def holds(self, report: Report) -> bool:
        found = {"lost": report.lost, "gained": report.gained, "changed": report.lost + report.gained}[self.what]
        return _COMPARE[self.compare](found, self.number)


class _LimitType(click.ParamType[_Limit]):
    name = "limit"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> _Limit:
        if isinstance(value, _Limit):
            return value
        match = re.fullmatch(r"\s*(lost|gained|changed)\s*(>=|>|=)\s*([0-9]{1,12})\s*", str(value))
        if match is None:
            self.fail(f'"{value}" is no limit; write for example lost>0, gained>=100 or changed=0', param, ctx)
        return _Limit(str(value).strip(), match[1], match[2], int(match[3]))


@click.command(
    "plan",
    epilog=options.exits(done="compared", no="a --fail-if holds, or there was nothing to compare for it"),
)
@click.argument("new", type=click.Path(path_type=Path))
@click.option(
    "--since",
    type=options.Ago(),
    default="7d",
    show_default=True,
    metavar="DURATION",
    help="Events of the last 7d, 2h, …",
)
@click.option("--until", type=options.Ago(), metavar="DURATION", help="But none of the last 1d, …")
@click.option(
    "--examples",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    metavar="N",
    help="Show so many of each change.",
)
@click.option(
    "--fail-if",
    "limits",
    type=_LimitType(),
    multiple=True,
    metavar="LIMIT",
    help="End with 3 when it holds: lost>0, gained>=10, changed>0. May be given several times.",
)
@options.config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one document.",
)
def command(
    *,
    new: Path,
    since: float,
    until: float | None,
    examples: int,
    limits: Sequence[_Limit],
    config_path: Path,
    form: str,
) -> int:
    """Compare what the configuration and NEW, another one, make of the events in the store. Nothing is sent.

    Both are asked about each event in the order of receipt, and about the ends of calls that follow. A delivery is lost
    when only the present configuration makes it, gained when only NEW does. The same delivery by another rule is
    unchanged. What the texts say is not compared.

    A destination that is off because this shell lacks a variable counts as on; with enabled: false it counts as off.
    With --fail-if, a time without any event ends with 3 as well: nothing has been proved.
    """
    from router.comparing import Comparison

    old, other = options.load_to_look(config_path), options.load_to_look(new)
    end = time.time() if until is None else until
    if since >= end:
        raise click.UsageError("--since must lie before --until.")
    comparison = Comparison(old, other, since=since, examples=examples)
    # Calls that were under way at the beginning are known from their own events, and count with all of their day.
    begin = min(clock.midnight(since - one.stale_after, one.timezone) for one in (old, other))
    with options.reading(old) as store, screen.progress("Comparing", total=int(end - begin)) as advance:
        known = begin
        for event in _events(store, begin, end):
            comparison.hear(event)
            if event.received_at - known >= 1:
                advance(int(event.received_at - known))
                known += int(event.received_at - known)
    report = comparison.report(end)
    reached = [limit.text for limit in limits if not report.events or limit.holds(report)]
    if form == "json":
        screen.emit(_document(report, since, end, reached))
    else:
        _show(report, old, other, since, end)
    if reached and report.events:
        screen.talk(f"callrouter: {', '.join(reached)}: {_sum(report)}.")
    return 3 if reached else 0


def _events(store: Reading, begin: float, end: float) -> Iterator[CallEvent]:
    from router.event import read

    page = store.history(begin, end, None, _PAGE)
    while page:
        for row in page:
            yield read(row.body, row.source, row.received_at)
        page = store.history(begin, end, page[-1], _PAGE)


def _sum(report: Report) -> str:
    return f"{report.gained:,} gained, {report.lost:,} lost, {report.unchanged:,} unchanged"


def _show(report: Report, old: Config, new: Config, since: float, end: float) -> None:
    now = time.time()
    span = f"from {screen.moment_in_full(since, old.timezone, now)} to {screen.moment_in_full(end, old.timezone, now)}"
    if not report.events:
        screen.talk(f"No event was received {span}: there is nothing to compare.")
        return
    screen.say(f"{screen.count(report.events, 'event')} {span},")
    screen.say(f"under {screen.safe(str(new.path))} against {screen.safe(str(old.path))}: {_sum(report)}.")
    rows = [row for row in report.rows if row.gained or row.lost]
    if report.rows:
        screen.say()
        columns = [Column("destination"), Column("rule"), Column("gained", right=True), Column("lost", right=True)]
        screen.table([*columns, Column("unchanged", right=True)], [_cells(row) for row in report.rows])
    for (destination, before, after), times in report.other_rule.items():
        verb = "is" if times == 1 else "are"
        screen.say(
            f"\n{screen.count(times, 'delivery', 'deliveries')} to {destination} {verb} asked for by {after} instead "
            f"of {before}. That changes nothing."
        )
    if any(row.examples for row in rows):
        screen.say("\nExamples")
        _examples(rows, old, now)


def _cells(row: Row) -> list[Cell]:
    gained: Cell = (f"+{row.gained:,}", "green") if row.gained else "0"
    lost: Cell = (f"-{row.lost:,}", "red") if row.lost else "0"
    return [row.destination, row.rule, gained, lost, f"{row.unchanged:,}"]


def _examples(rows: Sequence[Row], config: Config, now: float) -> None:
    columns = [Column("", keep=9), Column("destination"), Column("rule", keep=5), Column("received"), Column("type")]
    columns += [Column("from", keep=7), Column("to", keep=6), Column("call", keep=1)]
    cells: list[list[Cell]] = [
        [
            ("gained", "green") if example.gained else ("lost", "red"),
            row.destination,
            row.rule,
            screen.when(example.received_at, config.timezone, now),
            example.event_type,
            example.from_,
            example.to,
            example.call_id,
        ]
        for row in rows
        for example in row.examples
    ]
    screen.table(columns, cells, indent=2)


def _document(report: Report, since: float, end: float, reached: Sequence[str]) -> dict[str, object]:
    return {
        "since": screen.stamp(since),
        "until": screen.stamp(end),
        "events": report.events,
        "gained": report.gained,
        "lost": report.lost,
        "unchanged": report.unchanged,
        "failed": list(reached),
        "rows": [
            {
                "destination": row.destination,
                "rule": row.rule,
                "gained": row.gained,
                "lost": row.lost,
                "unchanged": row.unchanged,
                "examples": [
                    {
                        "change": "gained" if example.gained else "lost",
                        "received_at": screen.stamp(example.received_at),
                        "type": example.event_type,
                        "call": example.call_id,
                        "from": example.from_,
                        "to": example.to,
                    }
                    for example in row.examples
                ],
            }
            for row in report.rows
        ],
        "other_rule": [
            {"destination": destination, "old": before, "new": after, "deliveries": times}
            for (destination, before, after), times in report.other_rule.items()
        ],
    }
