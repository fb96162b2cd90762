"""Forgetting on SQLite in particular: along indexes, quick beside much that is kept, and in room that is used again."""

from __future__ import annotations

import re

from router.store import State
from router.store.sqlite import retention

DATABASES = ("sqlite",)

_TABLES = (
    "attempt", "answer", "silenced", "delivery", "event", "receipt", "call", "quarantine", "command", "silence",
)  # fmt: skip


def test_every_statement_goes_along_an_index(store, desk):
    seen: list[str] = []
    store._db.set_trace_callback(seen.append)
    desk.owe()
    desk.end(desk.one(), State.DEAD, receipt={"ts": "1"})
    for step in (store.forget_receipts, store.forget_calls, store.forget_quarantine, store.forget_commands):
        step(200.0, 0, 100)
    store.forget_events(200.0, 200.0, 0, 100)
    store._db.set_trace_callback(None)

    told = [
        text
        for text in seen
        if re.search(
            r"DELETE FROM (attempt|answer|silenced|delivery|event|receipt|call|quarantine|command|silence)", text
        )
    ]
    assert len(told) >= 10
    told += [text for text in seen if "max(id), count(*)" in text or "behind" in text or "GROUP BY" in text]
    for text in told:
        plan = [row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {text}")]
        assert [line for line in plan if re.match(rf"SCAN ({'|'.join(_TABLES)})\b", line)] == [], text


def test_what_is_forgotten_leaves_room_that_is_used_again(store, desk):
    def day() -> int:
        for n in range(200):
            desk.owe(f"call-{desk.count}-{n}", body=b"x" * 2000)
        for claim in desk.take(limit=1000):
            desk.end(claim)
        return int(store._db.execute("PRAGMA page_count").fetchone()[0])

    first = day()
    sizes = []
    for _ in range(5):
        store.forget_events(200.0, 200.0, 0, 10_000)
        sizes.append(day())

    # Calls are kept here, and an index is never packed perfectly.
    assert max(sizes) < 1.3 * first


def test_a_step_reads_no_more_than_its_stretch(store, desk):
    for n in range(50):
        desk.owe(f"call-{n}")

    assert retention.Retention(store._db, store._tally)._stretch("event", "received_at", 200.0, 0, 7) == (7, 7)
