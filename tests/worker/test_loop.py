"""The worker's turns, on a real store and inbox, with this test in the place of the sender."""

from __future__ import annotations

import json
import os
import sqlite3
import time

import pytest

from router.commands.file import CommandFile
from router.store import State
from router.store.sqlite.reading import SqliteReading
from router.worker.clockwatch import ClockWatch
from tests.harness.waiting import until
from tests.worker.bench import Bench


def test_an_event_becomes_a_job_and_its_outcome_an_end(bench: Bench) -> None:
    bench.accept()
    bench.turn()
    [job] = bench.jobs()
    assert (job.destination, json.loads(job.body)["event_type"]) == ("crm", "ringing")

    bench.answer(job)
    bench.turn()

    assert (bench.delivery().state, bench.delivery().attempts) == (State.DELIVERED, 1)


def test_what_was_sent_in_plain_words_is_delivered_shown_and_counted(bench: Bench) -> None:
    bench.accept()
    bench.turn()
    [job] = bench.jobs()

    counter = bench.worker.metrics._template_failures.labels("crm")._value
    before = counter.get()
    bench.answer(job, reason="sent in plain words: …", unfilled=True)
    bench.turn()

    assert (bench.delivery().state, bench.delivery().reason) == (State.DELIVERED, "sent in plain words: …")
    assert counter.get() == before + 1


def test_what_an_earlier_worker_left_leased_is_tried_again(bench: Bench) -> None:
    bench.accept()
    bench.turn()
    bench.jobs()
    assert bench.delivery().state is State.LEASED

    bench.worker.recover()

    assert bench.delivery().state is State.READY
    assert "whether it arrived is not known" in (bench.delivery().reason or "")


def test_a_sender_that_is_gone_leaves_its_deliveries_to_the_next(bench: Bench) -> None:
    bench.accept()
    bench.turn()
    bench.jobs()

    bench.sender.close()
    bench.turn()

    assert bench.delivery().state is State.READY


def test_a_destination_that_refuses_its_credentials_is_paused_and_loses_nothing(bench: Bench) -> None:
    bench.accept()
    bench.turn()
    [job] = bench.jobs()
    bench.answer(job, "unusable", "crm.example answered 401")
    bench.turn()
    bench.turn()

    reading = SqliteReading.open(bench.data)
    [row] = reading.destinations()
    reading.close()
    assert row.paused_reason == "crm.example answered 401"
    assert bench.delivery().state is State.READY


def test_news_that_is_too_old_expires(bench: Bench) -> None:
    bench.accept(received_at=time.time() - 7200)

    bench.turn()

    assert bench.delivery().state is State.EXPIRED


def test_while_the_clock_is_off_nothing_expires(bench: Bench) -> None:
    bench.worker.watch = ClockWatch(time.time() - 7200)
    bench.accept(received_at=time.time() - 7200)

    bench.turn()

    assert len(bench.jobs()) == 1


def test_commands_are_obeyed_while_the_clock_is_hours_back(bench: Bench, monkeypatch) -> None:
    bench.turn()
    past = time.time() - 7200
    monkeypatch.setattr("router.clock.now", lambda: past)
    CommandFile(bench.data).append("pause", {"destination": "crm"}, who="ada", now=past)

    def obeyed() -> bool:
        bench.turn()
        return bench.store.cursors().get("commands") == 1

    until(obeyed, what="the pause is carried out")


def test_while_the_clock_is_off_nothing_is_given_up_for_its_age(bench: Bench) -> None:
    bench.worker.watch = ClockWatch(time.time() - 7200)
    bench.accept(received_at=time.time() - 7200)
    bench.turn()
    [job] = bench.jobs()

    bench.answer(job, "temporary", "busy")
    bench.turn()

    assert bench.delivery().state is State.READY


def test_an_operators_command_is_carried_out_once(bench: Bench) -> None:
    bench.accept()
    bench.turn()
    [job] = bench.jobs()
    bench.answer(job)
    bench.turn()
    CommandFile(bench.data).append("replay", {"deliveries": [job.delivery_id]}, who="ada", now=time.time())

    # Commands are looked for once a second.
    until(lambda: (bench.turn(), bench.hears())[1])
    bench.turn()

    assert [again.key for again in bench.jobs()] == [f"{job.key}-1"]


def test_outcomes_are_not_forgotten_while_the_store_refuses(bench: Bench) -> None:
    bench.accept()
    bench.turn()
    [job] = bench.jobs()
    bench.answer(job)
    stranger = sqlite3.connect(bench.data / "store.sqlite", isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    # Not to wait the five seconds that a stranger is given to end.
    bench.store._db.execute("PRAGMA busy_timeout = 0")

    bench.turn()
    assert bench.delivery().state is State.LEASED
    stranger.close()
    bench.turn()

    assert bench.delivery().state is State.DELIVERED


@pytest.mark.parametrize("trouble", ["/dev/full", "nobody reads", "closed"])
def test_a_log_that_cannot_be_written_sends_nothing_again_and_stops_nobody(bench: Bench, trouble: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    if trouble == "/dev/full":
        os.close(writing)
        writing = os.open("/dev/full", os.O_WRONLY)
    bench.worker.log._descriptor = writing
    if trouble == "closed":
        os.close(writing)
    bench.accept()
    bench.turn()
    [job] = bench.jobs()

    bench.answer(job)
    bench.turn()
    bench.turn()

    assert not bench.hears()
    assert (bench.delivery().state, bench.delivery().attempts) == (State.DELIVERED, 1)
    if trouble != "closed":
        os.close(writing)


def test_a_status_file_that_cannot_be_written_stops_nobody(bench: Bench) -> None:
    (bench.data / "worker.json.new").mkdir()
    bench.accept()
    bench.turn()
    [job] = bench.jobs()

    bench.answer(job)
    bench.turn()

    assert bench.delivery().state is State.DELIVERED
