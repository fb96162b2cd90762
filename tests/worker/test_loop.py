"""The worker's turns, on a real store and inbox, with this test in the place of the sender."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.commands import CommandFile
from router.config import load
from router.inbox import NewEntry
from router.inbox.writer import InboxWriter
from router.logs import Log
from router.metrics import Metrics
from router.sender import Job, Outcome
from router.sender.frames import Decoder, encode
from router.store import DeliveryRow, Filter, State
from router.store.sqlite import SqliteStore
from router.store.sqlite_reading import SqliteReading
from router.worker.clockwatch import ClockWatch
from router.worker.loop import Worker
from tests.harness.waiting import until

CONFIG = """
sources: {wavix: {}}
destinations:
  crm: {type: http, url: "https://crm.example", expire: 1h, retry: {first: 1s, give_up_after: 1h}}
always: [crm]
unmatched: drop
rules: []
"""
CALL = "5dccb6b0-f35c-488c-867b-86fb012c4415"


class Bench:
    """One worker with one connected sender: this test."""

    def __init__(self, folder: Path) -> None:
        (folder / "config.yaml").write_text(CONFIG)
        self.config = load(folder / "config.yaml")
        self.data = self.config.data
        self.store = SqliteStore.open(self.data)
        with self.store.transaction():
            self.store.know(self.config.destinations, {})
        self.supervisor, control = socket.socketpair()
        self.descriptor = os.open(os.devnull, os.O_WRONLY)
        self.worker = Worker(
            self.config,
            self.store,
            log=Log("worker", descriptor=self.descriptor),
            metrics=Metrics(self.data / "metrics" / "test"),
            control=control,
            senders=1,
            store_pause=0.0,
        )
        self._control = control
        self.sender, theirs = socket.socketpair()
        self.sender.settimeout(5)
        socket.send_fds(self.supervisor, [b"\0"], [theirs.fileno()])
        theirs.close()
        self._decoder = Decoder(Job)

    def accept(self, received_at: float | None = None, event_type: str = "ringing") -> None:
        body = json.dumps({"uuid": CALL, "event_type": event_type, "event_time": "2026-11-23T09:00:00Z"}).encode()

        async def append() -> None:
            inbox = InboxWriter(self.data / "inbox")
            await inbox.append(NewEntry("wavix", body, received_at or time.time(), "127.0.0.1"))
            inbox.close()

        asyncio.run(append())

    def turn(self) -> None:
        self.worker.gather(0)
        self.worker.turn()

    def jobs(self) -> list[Job]:
        return self._decoder.feed(self.sender.recv(1 << 20))

    def hears(self) -> bool:
        return bool(select.select([self.sender], [], [], 0)[0])

    def answer(self, job: Job, kind: str = "delivered", reason: str | None = None) -> None:
        now = time.time()
        self.sender.sendall(encode([Outcome(job.delivery_id, job.attempt, kind, reason, None, None, now, now)]))

    def delivery(self) -> DeliveryRow:
        reading = SqliteReading.open(self.data)
        try:
            return reading.deliveries(Filter(), 1)[0]
        finally:
            reading.close()

    def close(self) -> None:
        for end in (self.supervisor, self.sender, self._control):
            end.close()
        self.worker.close()
        self.store.close()
        os.close(self.descriptor)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_an_event_becomes_a_job_and_its_outcome_an_end(bench: Bench) -> None:
    bench.accept()
    bench.turn()
    [job] = bench.jobs()
    assert (job.destination, json.loads(job.body)["event_type"]) == ("crm", "ringing")

    bench.answer(job)
    bench.turn()

    assert (bench.delivery().state, bench.delivery().attempts) == (State.DELIVERED, 1)


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
        return bench.worker.cursors["commands"] == 1

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
