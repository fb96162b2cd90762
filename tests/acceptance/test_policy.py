"""Whole daemons: what a destination asks for is kept, by all processes together and through a reload."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest

from tests.acceptance.settings import an_event
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.load import Load
from tests.harness.recording import Received, Recorder, Reply
from tests.harness.waiting import until

pytestmark = pytest.mark.slow


class Crowd:
    """A destination that takes its time, and counts how many requests are with it at once."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self._lock = threading.Lock()
        self._now = 0
        #: Path → the most that were there when a request with it came, itself included.
        self.most: dict[str, int] = defaultdict(int)

    def __call__(self, received: Received) -> Reply:
        with self._lock:
            self._now += 1
            self.most[received.path] = max(self.most[received.path], self._now)
        time.sleep(0.02)  # what the destination needs, not what the test waits for
        with self._lock:
            self._now -= 1
        return Reply(self.status)


def to_one(url: str, *, name: str = "out", more: str) -> str:
    return (
        f"{LISTEN}sources: {{wavix: {{}}}}\n"
        f'destinations: {{{name}: {{type: http, url: "{url}", order: none, timeout: 10s, {more}}}}}\n'
        f"always: [{name}]\nunmatched: drop\nalerts: none\n"
    )


@pytest.mark.parametrize("concurrency", [1, 3])
def test_never_more_attempts_than_its_concurrency_are_under_way(tmp_path: Path, concurrency: int) -> None:
    crowd = Crowd()
    with (
        Recorder(crowd) as recorder,
        Daemon(tmp_path, to_one(recorder.url, more=f"concurrency: {concurrency}")) as daemon,
        Load(daemon.url(), connections=8) as load,
    ):
        load.start("closed", count=120)
        assert load.wait(30)["answers"] == {"200": 120}
        until(lambda: len(recorder.accepted) == 120, 30, what="every event has arrived")
    assert crowd.most == {"/": concurrency}


def test_after_a_reload_no_attempt_begins_beside_more_than_the_new_concurrency(tmp_path: Path) -> None:
    crowd = Crowd()
    with (
        Recorder(crowd) as recorder,
        Daemon(tmp_path, to_one(recorder.url, more="concurrency: 6")) as daemon,
        Load(daemon.url(), connections=8) as load,
    ):
        load.start("closed", count=400)
        until(lambda: crowd.most["/"] == 6, 20, what="the old concurrency is used")
        daemon.config.write_text(to_one(f"{recorder.url}new", name="hub", more="formerly: out, concurrency: 2"))
        assert daemon.run("reload").code == 0
        assert load.wait(30)["answers"] == {"200": 400}
        # On a busy machine all of those may have arrived before the reload was done.
        load.start("closed", count=100)
        assert load.wait(30)["answers"] == {"200": 100}
        until(lambda: len(recorder.accepted) == 500, 40, what="every event has arrived")
    assert crowd.most == {"/": 6, "/new": 2}


def test_an_ill_destination_is_left_alone_and_hears_everything_once_it_is_well(tmp_path: Path) -> None:
    crowd = Crowd(503)
    more = "breaker: {failures: 3, pause: 200ms, max: 400ms}, retry: {first: 100ms, factor: 1, max: 200ms}"
    with (
        Recorder(crowd) as recorder,
        Daemon(tmp_path, to_one(recorder.url, more=more)) as daemon,
        Load(daemon.url(), connections=8) as load,
    ):
        load.start("closed", count=300)
        assert load.wait(30)["answers"] == {"200": 300}
        until(
            lambda: "callrouter_breaker" in str(daemon.metrics()) and _breaker(daemon) > 0, what="the breaker is open"
        )
        said = daemon.run("status").out
        assert "breaker" in said
        assert "503" in said
        crowd.status = 200
        until(lambda: len(recorder.accepted) == 300, 30, what="every event has arrived")
        until(lambda: _breaker(daemon) == 0, what="the breaker is closed")
        # The breaker kept nearly all of them from being tried in vain.
        assert len(recorder.refusals) < 150
        assert "it answers again" in daemon.log()


def _breaker(daemon: Daemon) -> float:
    return float(daemon.metrics()['callrouter_breaker{destination="out"}'])


def test_an_answer_that_the_operator_calls_done_is_delivered(tmp_path: Path) -> None:
    with (
        Recorder(lambda _: Reply(409, b"known already")) as recorder,
        Daemon(tmp_path, to_one(recorder.url, more="answers: {4xx: dead, 409: done}")) as daemon,
    ):
        assert daemon.post(an_event()).status == 200
        until(lambda: '"state": "delivered"' in daemon.run("deliveries", "--json").out, what="it is delivered")
        assert "409 Conflict: known already" in daemon.run("deliveries", "--json").out
        assert len(recorder.requests) == 1
