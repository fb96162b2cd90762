"""How fast two configurations are compared over a stored history."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path

from router import config, samples
from router.cli import invoke
from router.event import CallEvent, read
from router.inbox import Entry
from router.playing import play
from router.store.sqlite.store import SqliteStore
from router.worker.routing import Routing, find
from tests.bench.report import Report, spread, tell

EVENTS, ROUNDS = 100_000, 3
#: The history is as old as what ``plan`` looks at by itself.
_DAYS = 7
_KINDS = ("answered", "missed", "dtmf", "busy", "cancelled", "rejected")


def _config(folder: Path, name: str, *, settle: str, tag: str) -> Path:
    """Twenty rules on fields, numbers, tags and the end of calls; two configurations differ in one of them."""
    rules = "".join(
        f"  - {{name: team-{n}, when: {{event_type: call_ended, tag: 'team-{n}*'}}, send: [crm]}}\n" for n in range(16)
    )
    path = folder / name
    path.write_text(f"""\
store: sqlite:data
timezone: Europe/London
region: GB
calls: {{settle: {settle}}}
sources: {{wavix: {{}}}}
destinations:
  desk: {{type: console}}
  crm: {{type: console}}
  archive: {{type: console}}
rules:
  - {{name: missed, when: {{missed: true, weekday: {{not: [sun]}}}}, send: [desk]}}
  - {{name: rings, when: {{event_type: ringing, to_number: "+4420*"}}, once: call, send: [desk]}}
  - {{name: digits, when: {{event_type: on_call_event, any: [{{tag: {tag}}}, {{direction: inbound}}]}}, send: [crm]}}
  - {{name: finished, when: {{outcome: [answered, busy], customer_number: "+44*"}}, send: [crm]}}
{rules}always: [archive]
unmatched: drop
alerts: none
""")
    return path


def _history(now: float) -> Iterator[Entry]:
    # Calls have fewer than four events on average; the last ones end a while before now.
    events, number, spacing = 0, 0, _DAYS * 86400 / (EVENTS / 3)
    while events < EVENTS:
        began = now - _DAYS * 86400 + 600 + number * spacing
        caller = f"+4479{number % 5000:08d}"
        uuid = f"{number:08x}-0000-4000-8000-00000000abcd"
        for timed in samples.play(_KINDS[number % len(_KINDS)], started_at=began, uuid=uuid, from_=caller):
            body = json.dumps({**timed.event, "tag": f"team-{number % 20}"}).encode()
            yield Entry("wavix", body, began + timed.after, "127.0.0.1")
            events += 1
            if events == EVENTS:
                return
        number += 1


def _fill(loaded: config.Config, entries: list[Entry]) -> None:
    with closing(SqliteStore.open(loaded.data)) as store:
        store._db.execute("PRAGMA synchronous = OFF")
        routing = Routing(store, loaded)
        for first in range(0, len(entries), 5000):
            with store.transaction():
                store.know(loaded.destinations, {})
                for entry in entries[first : first + 5000]:
                    routing.route(find(entry), entry.received_at)


def _planned(old: Path, new: Path) -> float:
    """Seconds of the whole command."""
    began, out = time.perf_counter(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        code = invoke(["plan", str(new), "--config", str(old), "--format", "json"])
    seconds = time.perf_counter() - began
    document = json.loads(out.getvalue())
    assert (code, document["events"]) == (0, EVENTS)
    assert document["gained"] + document["lost"]
    return seconds


def _decided(loaded: config.Config, entries: list[Entry]) -> float:
    """Seconds in which one decider hears every event, parsing included."""
    began = time.perf_counter()
    for _ in play(loaded.decider, _read(entries), stale_after=loaded.stale_after):
        pass
    return time.perf_counter() - began


def _read(entries: list[Entry]) -> Iterator[CallEvent]:
    return (read(entry.body, entry.source, entry.received_at) for entry in entries)


def measure(folder: Path) -> Report:
    """Fill a store with a week of calls and compare two configurations over it."""
    old = _config(folder, "old.yaml", settle="5s", tag="team-1")
    alike = _config(folder, "alike.yaml", settle="5s", tag="team-2")
    alike.write_text(alike.read_text().replace("missed: true, weekday: {not: [sun]}", "missed: true"))
    apart = _config(folder, "apart.yaml", settle="10s", tag="team-2")
    apart.write_text(apart.read_text().replace("not: [sun]", "not: [sat]"))
    entries = sorted(_history(time.time()), key=lambda entry: entry.received_at)
    tell(f"a store with {len(entries):,} events …")
    loaded = config.load(old)
    _fill(loaded, entries)
    rows = []
    for title, run in (
        ("plan, rules differ", lambda: _planned(old, alike)),
        ("plan, rules and `calls` differ", lambda: _planned(old, apart)),
        ("one decider, nothing stored", lambda: _decided(loaded, entries)),
    ):
        tell(title)
        seconds = [run() for _ in range(ROUNDS)]
        rows.append((title, spread([EVENTS / one for one in seconds]), spread(seconds, 1)))
    rows.append(("aim", "", "30 or less"))
    return Report(
        "Plan",
        f"`callrouter plan` over a week of {EVENTS:,} stored events, about four to a call, with 20 rules; the whole "
        f"command in one process. {ROUNDS} rounds. Median (least–greatest).",
        ("", "events/s", "seconds"),
        rows,
    )
