"""What is true of the PostgreSQL store alone: what readers may do, text with NUL, alerts told once, and the plans."""

from __future__ import annotations

import re
import threading

import pytest

from router.calls import Call
from router.errors import Fault, StoreError
from router.location import PostgresAt
from router.secret import Secret
from router.store import Attempt, CommandRow, Concern, Filter, HistoryRow, SilenceRow, State
from router.store.postgres import days
from router.store.postgres.days import DAY
from router.store.postgres.reading import PostgresReading
from router.store.postgres.store import PostgresStore
from tests.harness.waiting import until

DATABASES = ("postgres",)


# Readers -------------------------------------------------------------------------------------------------------------


def test_readers_can_change_nothing(reading):
    with pytest.raises(StoreError, match="its transactions are read-only"):
        reading._session.execute("DELETE FROM event")


def test_a_question_that_takes_too_long_is_given_up(store, open_reading, monkeypatch):
    monkeypatch.setattr("router.store.postgres.reading.PATIENCE", 0.05)
    monkeypatch.setattr(
        "router.store.postgres.reading._EVENTS", "SELECT pg_sleep(60) FROM generate_series(1, 1) AS event (id)"
    )
    with pytest.raises(StoreError, match="took too long and was given up: ask for less at a time"):
        open_reading().events(Filter(), 1)


def test_a_question_is_one_look_at_everything(store, desk, reading):
    desk.owe()
    session = reading._session
    with session.transaction():
        before = session.execute("SELECT count(*) FROM event").fetchall()
        desk.owe()
        assert session.execute("SELECT count(*) FROM event").fetchall() == before


def test_a_reader_whose_connection_was_lost_answers_all_the_same(store, desk, reading, postgres_server):
    event = desk.owe()
    with postgres_server.superuser() as db:
        assert db.execute("SELECT pg_terminate_backend(%s)", (reading._session.pid,)).fetchone() == (True,)
    until(lambda: not _serves(store, reading._session.pid), what="the end of the reader's session")

    assert [row.id for row in reading.events(Filter(), 10)] == [event]


def _serves(store, pid):
    return store.session.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchall()


# Text ----------------------------------------------------------------------------------------------------------------


def test_text_that_has_a_nul_is_kept_with_another_sign_in_its_place(store, desk, reading):
    store.keep_call(Call("wavix", "a\0b", tag="c\0d"))
    desk.owe("a\0b", facts={"tag": "c\0d"}, body=b"\0")
    desk.kill(desk.one(), reason="no\0body")
    store.pause("crm", "e\0f", "g", 1.0)
    store.drain("slack", "h\0i", 1.0)
    store.silence(SilenceRow(1, ("tag=\0",), "j\0k", "ada", 1.0, 2.0))
    store.note_command(CommandRow(1, 1.0, 2.0, "l\0m", {"n": "\0"}))
    store.keep_concern(Concern("refused", "o\0p", 1.0, 1.0, reason="q\0r"))
    number = store.quarantine("wavix", b"\0", [Fault("/x", "no \0")], 1.0, "s\0t")

    [event] = reading.events(Filter(call_id="a\0b"), 10)
    assert (event.call_id, event.facts, event.body) == ("a\ufffdb", {"tag": "c\0d"}, b"\0")
    assert store.call("wavix", "a\0b") == Call("wavix", "a\ufffdb", tag="c\ufffdd")
    assert reading.call_ids("a\0", 10) == ["a\ufffdb"]
    assert [row.reason for row in reading.deliveries(Filter(), 10)] == ["no\ufffdbody"]
    crm, _, slack = reading.destinations()
    assert (crm.paused_reason, slack.drain_reason) == ("e\ufffdf", "h\ufffdi")
    assert [(row.matchers, row.why) for row, _ in reading.silences()] == [(("tag=\0",), "j\ufffdk")]
    assert reading.commands([1])[1] == CommandRow(1, 1.0, 2.0, "l\ufffdm", {"n": "\0"})
    [concern] = store.concerns()
    assert (concern.about, concern.reason) == ("o\ufffdp", "q\ufffdr")
    assert store.refused(number).faults == [Fault("/x", "no \0")]
    assert store.refused(number).remote == "s\ufffdt"
    store.forget_concern(Concern("refused", "o\0p", 1.0, 1.0))
    assert store.concerns() == []


def test_whatever_text_is_looked_up_by_compares_byte_by_byte(store):
    rows = store.session.execute(
        "SELECT c.relname::text, attname::text FROM pg_index JOIN pg_class AS c ON c.oid = indrelid"
        " JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)"
        " WHERE relnamespace = current_schema()::regnamespace AND attcollation NOT IN (0, '\"C\"'::regcollation)"
    )
    assert rows.fetchall() == []


# Alerts --------------------------------------------------------------------------------------------------------------


def test_of_two_nodes_that_look_at_what_goes_on_one_waits_for_what_the_other_tells(store, open_store):
    other = open_store()
    found = []

    def look():
        with other.transaction():
            found.extend(other.concerns())

    beside = threading.Thread(target=look)
    with store.transaction():
        assert store.concerns() == []
        beside.start()
        until(lambda: _waits(store, other), what="the other node to wait")
        store.keep_concern(Concern("disk", "", 1.0, 1.0, told_at=1.0))
    beside.join()

    assert [one.told_at for one in found] == [1.0]


def _waits(store, other):
    rows = store.session.execute("SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted", (other.session.pid,))
    return rows.fetchall()


# Plans ---------------------------------------------------------------------------------------------------------------

#: Days since 1970; of five days there are tables, with 4000 deliveries each.
FIRST, DAYS, MANY = 20417, 5, 20_000
END = (FIRST + DAYS) * float(DAY)
_FILL = f"""
INSERT INTO destination (name) VALUES ('crm'), ('slack');
CREATE TEMPORARY TABLE n AS
    SELECT i AS id, (i + 1) / 2 AS event, (i + 7) / 8 AS call, 1 + i % 2 AS destination,
           {FIRST * DAY} + ((i + 1) / 2) * {DAYS * DAY}.0::float8 / {MANY // 2 + 1} AS received_at,
           CASE WHEN i % 100 = 0 THEN 11 WHEN i > {MANY - 500} THEN 0 WHEN i % 7 = 0 THEN 12 ELSE 10 END AS state
    FROM generate_series(1, {MANY}) AS i;
INSERT INTO call (share, source, call_id, state, from_, "to", answered, machine, missed, first_event_at, last_event_at,
                  last_received_at, events, ends_told, told_missed, fired)
SELECT call % 64, 'wavix', 'call-' || call, 3, '', '', false, false, false, min(received_at), max(received_at),
       max(received_at), 4, 1, false, '[]' FROM n GROUP BY call ORDER BY call;
INSERT INTO event (id, received_at, key, call, event_type, event_time, from_sender, late, unmatched, config_version,
                   rules, facts, body)
SELECT DISTINCT event, received_at, int8send(event), call, CASE WHEN event % 50 = 0 THEN 'alert' ELSE 'ringing' END, 0,
       true, false, false, 'v1', '["missed"]', '{{}}', repeat('x', 500)::bytea FROM n ORDER BY event;
INSERT INTO event_key SELECT key, id, received_at FROM event;
INSERT INTO delivery (id, event_id, received_at, destination_id, call, state, due_at, attempts, held_by_dead_letter,
                      rule, ended_at)
SELECT id, event, received_at, destination, call, state, CASE WHEN state = 0 THEN 5 END, id % 3, false, 'missed',
       CASE WHEN state = 11 THEN 5 END FROM n WHERE state IN (0, 11);
INSERT INTO ended (id, event_id, received_at, destination_id, call, state, attempts, held_by_dead_letter, rule,
                   ended_at)
SELECT id, event, received_at, destination, call, state, 1, false, 'missed', received_at FROM n
WHERE state NOT IN (0, 11);
INSERT INTO attempt SELECT id, 1, received_at, 'delivered', NULL, NULL, received_at, received_at FROM n;
INSERT INTO answer SELECT id, 1, '{{}}' FROM n;
INSERT INTO receipt SELECT DISTINCT destination, call, '{{}}', received_at FROM n ON CONFLICT DO NOTHING;
INSERT INTO silenced SELECT 7, id FROM n WHERE id % 10 = 0;
DROP TABLE n;
ANALYZE;
"""

WIDE = [
    Filter(),
    Filter(destination="crm"),
    Filter(since=END - 600),
    Filter(since=END - 2 * DAY),
    Filter(until=END - 2 * DAY),
    Filter(source="wavix"),
    Filter(event_type="ringing"),
    Filter(event_type="alert"),
    Filter(unmatched=True),
    Filter(rule="missed"),
    Filter(before_id=5000),
    Filter(state=State.DEAD),
    *(Filter(destination="crm", state=state) for state in State),
]
NARROW = [Filter(call_id="call-70"), Filter(event_id=500)]
_BIG = "(event|ended|attempt|delivery|call|answer|event_key|receipt|silenced)"


@pytest.fixture(scope="module", params=["postgres_server", "older_postgres_server"])
def filled(request):
    """A database in which every table has many rows, and statistics of them."""
    server = request.getfixturevalue(request.param)
    url = server.create_database()
    store = PostgresStore.open(PostgresAt(Secret(url)), node="n1")
    with store.transaction():
        days.make(store.session, FIRST * DAY, DAYS - 1)
        store.session.script(_FILL)
    store.close()
    yield url
    server.drop_database(url)


@pytest.fixture
def wide_store(filled):
    store = PostgresStore.open(PostgresAt(Secret(filled)), node="n1")
    # Of a few thousand rows it would rather read all, for which nothing is to be said: the question is whether it must.
    store.session.execute("SET enable_seqscan = off")
    yield store
    store.close()


@pytest.fixture
def wide(filled):
    reading = PostgresReading.open(PostgresAt(Secret(filled)))
    yield reading
    reading.close()


def plans(session, work):
    """Do *work*; return the plan of every statement that *session* ran for it, in lines."""
    execute, asked = session.execute, []

    def ask(sql, values=None):
        asked.append((sql, values))
        return execute(sql, values)

    session.execute = ask
    try:
        work()
    finally:
        session.execute = execute
    found = []
    for sql, values in asked:
        if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", sql):
            found += [line for (line,) in execute(f"EXPLAIN {sql}", values)]
    assert found
    return found


def scanned(lines):
    """Return where a table that has many rows is read whole."""
    return [line for line in lines if re.search(rf"Seq Scan on {_BIG}(_\d+)?( |$)", line)]


def sorted_rows(lines):
    return [line for line in lines if re.search(r"(^|->  )(Incremental )?Sort\b", line)]


@pytest.mark.parametrize("where", WIDE, ids=repr)
@pytest.mark.parametrize("rows", ["events", "deliveries"])
def test_no_page_is_made_by_sorting_all_rows(wide, rows, where):
    lines = plans(wide._session, lambda: getattr(wide, rows)(where, 10))

    assert (sorted_rows(lines), scanned(lines)) == ([], [])


@pytest.mark.parametrize(
    ("rows", "where", "found"),
    [
        ("events", NARROW[0], r"\(call = ANY"),
        ("events", NARROW[1], r"\(id = "),
        ("deliveries", NARROW[0], r"\(event_id = ANY"),
        ("deliveries", NARROW[1], r"\(event_id = "),
    ],
)
def test_what_is_asked_of_one_call_or_event_is_found_by_its_index(wide, rows, where, found):
    lines = plans(wide._session, lambda: getattr(wide, rows)(where, 10))

    assert scanned(lines) == []
    assert [line for line in lines if re.search(f"Index Cond: {found}", line)] != []


@pytest.mark.parametrize(
    ("where", "tables"),
    [
        (Filter(state=State.DEAD), {"delivery"}),
        (Filter(state=State.WAITING), {"delivery"}),
        (Filter(unfinished=True), {"delivery"}),
        (Filter(state=State.EXPIRED), {"ended"}),
        (Filter(), {"delivery", "ended"}),
    ],
    ids=["dead", "waiting", "unfinished", "expired", "any"],
)
def test_only_tables_that_may_have_what_is_asked_are_looked_at(wide, where, tables):
    lines = plans(wide._session, lambda: wide.deliveries(where, 10))

    assert {name for line in lines for name in re.findall(r" on (delivery|ended)", line)} == tables


@pytest.mark.parametrize("after", [None, HistoryRow(3000, "wavix", END - 3 * DAY, b"")])
def test_a_page_of_history_is_read_along_the_times_of_receipt_of_its_days(wide, after):
    lines = plans(wide._session, lambda: wide.history(END - 3 * DAY, END - DAY, after, 10))

    assert (sorted_rows(lines), scanned(lines)) == ([], [])
    assert {name for line in lines for name in re.findall(r" on (event_\w+)", line)} == {
        "event_20251127",
        "event_20251128",
    }


QUESTIONS = {
    "calls": lambda reading: reading.calls(Filter(since=END - DAY), 10),
    "the ids of calls": lambda reading: reading.call_ids("call-7", 10),
    "a page on": lambda reading: reading.deliveries(Filter(), 10, after=5000),
    "unfinished ones": lambda reading: reading.deliveries(Filter(unfinished=True), 10),
    "attempts": lambda reading: reading.attempts(500),
    "an answer": lambda reading: reading.answer(MANY + 1),
    "the oldest event": lambda reading: reading.oldest_event(),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_no_question_sorts_or_reads_a_whole_table(wide, question):
    lines = plans(wide._session, lambda: question(wide))

    assert (sorted_rows(lines), scanned(lines)) == ([], [])


@pytest.mark.parametrize(
    "where", [*WIDE, *NARROW, Filter(silence=7), Filter(source="wavix", destination="crm")], ids=repr
)
def test_what_a_command_is_about_is_chosen_along_the_ids(wide_store, where):
    lines = plans(wide_store.session, lambda: wide_store.choose(where, 10_000, 15_000, 100))

    assert scanned(lines) == []
    if where.silence is None:
        assert [line for line in lines if re.search("(Hash|Merge) Join", line)] == []


def test_what_is_forgotten_is_found_by_indexes(wide_store):
    def forget():
        with wide_store.transaction():
            for step in (wide_store.forget_receipts, wide_store.forget_calls):
                step(END - 2 * DAY, 0, 100)
            wide_store._retention._delete("SELECT id, received_at FROM event", END - DAY, END - DAY, 0, 100)
            raise ZeroDivisionError

    def forget_in_vain():
        with pytest.raises(ZeroDivisionError):
            forget()

    assert scanned(plans(wide_store.session, forget_in_vain)) == []


def test_a_line_goes_on_in_one_step_where_nearly_all_that_waits_is_of_another_call(store, desk):
    with store.transaction():
        for _ in range(5000):
            desk.owe("long")
        desk.owe("short")
    store.session.execute("ANALYZE delivery")
    claims = store.claim("crm", now=100.0, owner="n1/1", lease_until=1000.0, limit=10)
    [short] = [claim for claim in claims if claim.call_id == "short"]

    with store.transaction():
        before = _rows_read(store.session)
        assert store.record(
            Attempt(short.delivery_id, 1, "n1/1", State.DELIVERED, "delivered", None, 200, 100.0, 100.0)
        )
        store.write()
        read = _rows_read(store.session) - before

    assert 0 < read < 100


def _rows_read(session):
    [(rows,)] = session.execute(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'delivery'"
    )
    return rows
