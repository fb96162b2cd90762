"""The judge itself: each broken promise is found."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness.verdict import Arrival, Ledger, judge, sound, unfinished

SENT = frozenset((call, position) for call in range(2) for position in range(3))
LEDGER = Ledger(SENT, SENT)
ALL: list[Arrival] = [(call, position, f"{call}-{position}", True) for call, position in sorted(SENT)]


def test_everything_once_and_in_order_is_no_fault() -> None:
    assert judge(LEDGER, ALL, unknown={}).faults == []


@pytest.mark.parametrize(
    ("letter", "arrivals"),
    [
        ("A", ALL[:-1]),
        ("A", [*ALL[:-1], (1, 2, "1-2", False)]),
        ("B", [*ALL, *ALL[-1:]]),
        ("B", [(0, 0, "another", False), *ALL]),
        ("C", [ALL[1], ALL[0], *ALL[2:]]),
        ("D", [*ALL, (7, 0, "7-0", True)]),
    ],
)
def test_each_broken_promise_is_named(letter: str, arrivals: list[Arrival]) -> None:
    faults = judge(LEDGER, arrivals, unknown={}).faults
    assert faults
    assert {fault[0] for fault in faults} == {letter}


def test_a_dead_letter_is_not_lost() -> None:
    assert judge(LEDGER, ALL[:-1], dead={(1, 2)}, unknown={}).faults == []


def test_an_event_never_acknowledged_need_not_arrive() -> None:
    assert judge(Ledger(SENT, SENT - {(1, 2)}), ALL[:-1], unknown={}).faults == []


def test_a_repeat_is_allowed_for_each_answer_that_may_be_lost() -> None:
    verdict = judge(LEDGER, [*ALL, *ALL[-1:]], unknown={(0, 0): 1, (1, 2): 1})
    assert (verdict.faults, verdict.duplicates, verdict.most_requests) == ([], 1, 2)


def test_a_repeat_after_its_successor_is_not_out_of_order() -> None:
    assert judge(LEDGER, [*ALL, ALL[0]], unknown={(0, 0): 1, (1, 2): 1}).faults == []


def test_a_ledger_tells_sent_from_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    path.write_text("sent 0 0\nsent 0 1\n503 0 0\n200 0 1\n")
    assert Ledger.read(path) == Ledger(frozenset({(0, 0), (0, 1)}), frozenset({(0, 1)}))


def test_a_damaged_database_is_found(tmp_path: Path) -> None:
    path = tmp_path / "inbox" / "a.sqlite"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table event (id integer primary key, body text, unique (body))")
        database.executemany("insert into event (body) values (?)", [(f"{n:0200}",) for n in range(200)])
    assert sound(tmp_path) == []
    raw = bytearray(path.read_bytes())
    raw[8192:8200] = bytes(8)
    path.write_bytes(raw)
    assert sound(tmp_path)


def test_what_is_left_undone_is_found() -> None:
    assert unfinished({"ready": 0, "leased": 0}) == []
    assert unfinished({"ready": 1}) == ["E: unfinished deliveries: {'ready': 1}"]
