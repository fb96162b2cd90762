"""Silences and drains in the worker: judged when an event is routed, and only while there are any."""

from __future__ import annotations

import logging
import time
from contextlib import closing

import pytest

from router.calls import Call
from router.store import DeliveryRow, Filter, SilenceRow, State
from router.store.sqlite.reading import SqliteReading
from router.worker.withholding import Withholding
from tests.worker.bench import CONFIG, Bench
from tests.worker.test_orders import Desk

OTHER = CONFIG.replace("crm", "hub")


@pytest.fixture
def desk(bench: Bench):
    desk = Desk(bench)
    yield desk
    desk.file.close()


def silence(desk: Desk, *matchers: str, seconds: float = 3600.0) -> int:
    number = desk.record("silence", matchers=list(matchers), until=time.time() + seconds, why="builders")
    assert desk.done(number) == f"silence {number} has begun: {' '.join(matchers)}"
    return number


def deliveries(bench: Bench) -> list[DeliveryRow]:
    with closing(SqliteReading.open(bench.data)) as reading:
        return reading.deliveries(Filter(), 100, after=0)


def test_what_a_silence_matches_ends_as_silenced_with_its_number_and_reason(desk, bench):
    number = silence(desk, "event_type=ringing", "destination=crm")

    bench.accept()
    bench.turn()

    [row] = deliveries(bench)
    assert (row.state, row.reason) == (State.SILENCED, f"silence {number} of ada: builders")
    assert not bench.hears()


def test_what_it_does_not_match_is_sent(desk, bench):
    silence(desk, "event_type=answered")

    bench.accept()
    bench.turn()

    assert len(bench.jobs()) == 1


def test_the_next_of_a_call_goes_on_past_a_silenced_one(desk, bench):
    silence(desk, "event_type=ringing")

    bench.accept()
    bench.accept(event_type="answered")
    bench.turn()

    assert [row.state for row in deliveries(bench)] == [State.SILENCED, State.LEASED]


def test_what_was_silenced_can_be_sent_later_under_its_first_key(desk, bench):
    number = silence(desk, "event_type=ringing")
    bench.accept()
    bench.turn()
    key = deliveries(bench)[0].key

    desk.done(desk.record("replay", where={"silence": number, "state": "silenced"}, after=0, to=9))
    bench.turn()

    assert [job.key for job in bench.jobs()] == [key]


def test_a_silence_that_was_ended_catches_nothing_more(desk, bench):
    number = silence(desk, "event_type=ringing")
    assert desk.done(desk.record("silence-end", silence=number)) == f"ended silence {number}"

    bench.accept()
    bench.turn()

    assert len(bench.jobs()) == 1
    assert desk.done(desk.record("silence-end", silence=number)) == f"left alone: silence {number} had ended"


def test_a_silence_ends_with_its_time_and_no_restart(bench):
    with bench.store.transaction():
        bench.store.silence(SilenceRow(1, ("event_type=ringing",), "why", "ada", 0, 1000.0))
    withholding = Withholding(bench.store, bench.config, 900.0)
    assert withholding

    withholding.judge([], {}, 1000.0)

    assert not withholding


def test_a_silence_that_had_ended_before_it_was_read_never_begins(desk):
    number = desk.record("silence", matchers=["tag=a"], until=time.time() - 1, why="x")

    assert desk.done(number).startswith("left alone: its end had passed")


def test_without_silence_or_drain_nothing_is_asked_of_an_event(bench, monkeypatch):
    monkeypatch.setattr(Withholding, "judge", lambda *_: pytest.fail("asked"))

    bench.accept()
    bench.turn()

    assert len(bench.jobs()) == 1


def test_a_silence_touches_no_call(desk, bench):
    silence(desk, "destination=crm")
    bench.accept(event_type="completed")
    bench.turn()

    with closing(SqliteReading.open(bench.data)) as reading:
        [call] = reading.calls(Filter(), 1)
    assert isinstance(call, Call)
    assert (call.terminal, call.end_due_at is None) == ("completed", False)


def test_a_silence_survives_a_reload(desk, bench):
    silence(desk, "event_type=ringing")

    bench.move(CONFIG + "# changed\n")
    bench.accept()
    bench.turn()

    assert deliveries(bench)[0].state is State.SILENCED


def test_a_silence_that_names_what_a_reload_took_away_is_told(desk, bench, caplog):
    number = silence(desk, "destination=crm,hub")

    with caplog.at_level(logging.WARNING):
        bench.move(OTHER)
        bench.accept()
        bench.turn()

    assert f'Silence {number} names destination "crm", which the configuration does not have.' in caplog.text
    assert [(row.destination, row.state) for row in deliveries(bench)] == [("hub", State.SILENCED)]


def test_a_silence_that_the_configuration_no_longer_understands_sends_and_is_told(desk, bench, caplog):
    bench.move(CONFIG + "hours: {night: [{days: mon-sun, from: '22:00', to: '06:00'}]}\n")
    number = silence(desk, "hours!=night")

    with caplog.at_level(logging.WARNING):
        bench.move(CONFIG)
        bench.everybody_moved()
        bench.accept()
        bench.turn()

    assert f"Silence {number} catches nothing under this configuration" in caplog.text
    assert len(bench.jobs()) == 1


def test_a_draining_destination_takes_nothing_new_visibly_until_it_resumes(desk, bench):
    bench.accept()
    bench.turn()
    [first] = bench.jobs()
    result = desk.done(desk.record("drain", destination="crm", reason="it moves"))
    assert result == "draining crm: it takes nothing new"

    bench.accept(event_type="answered")
    bench.answer(first)
    bench.turn()
    desk.done(desk.record("resume", destination="crm"))
    bench.accept(event_type="completed")
    bench.turn()

    rows = deliveries(bench)
    assert [row.state for row in rows] == [State.DELIVERED, State.CANCELLED, State.LEASED]
    assert rows[1].reason == "crm was being drained: it moves"


def test_a_drained_destination_can_be_removed(desk, bench):
    bench.accept()
    bench.turn()
    [job] = bench.jobs()
    desk.done(desk.record("drain", destination="crm"))
    bench.accept(event_type="answered")
    bench.answer(job)
    bench.turn()

    assert bench.move(OTHER).kind == "committed"


def test_what_was_withheld_is_logged_and_counted(desk, bench):
    number = silence(desk, "event_type=ringing")
    counter = bench.worker.metrics._deliveries.labels("crm", "silenced")._value
    before = counter.get()

    bench.accept()
    bench.turn()

    assert number
    assert counter.get() == before + 1
