"""Processes come back, end together, and go on where they stopped."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.settings import an_event, events, to_each
from tests.harness import processes
from tests.harness.daemon import Daemon
from tests.harness.load import Load
from tests.harness.receiver import Receiver
from tests.harness.recording import Received, Recorder, Reply
from tests.harness.verdict import out_of_order
from tests.harness.waiting import until

pytestmark = pytest.mark.slow


def bodies(recorder: Recorder) -> list[bytes]:
    return [received.body for received in recorder.accepted]


@pytest.mark.parametrize("name", ["ingest", "worker", "sender-1"])
def test_a_process_that_was_killed_comes_back_and_works(name: str, tmp_path: Path) -> None:
    with Recorder() as recorder, Daemon(tmp_path, to_each(out=recorder.url)) as daemon:
        old = daemon.kill(name)
        until(lambda: daemon.pids().get(name, old) != old, what=f"{name} runs again")
        body = an_event()
        answer = until(lambda: daemon.post(body), what="the event is answered")
        assert answer.status == 200
        until(lambda: bodies(recorder) == [body], what="the event has arrived")


def test_what_gunicorn_started_comes_back_when_killed(tmp_path: Path) -> None:
    with Recorder() as recorder, Daemon(tmp_path, to_each(out=recorder.url)) as daemon:
        arbiter = daemon.pids()["ingest"]
        old = processes.children(arbiter)
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        until(lambda: set(processes.children(daemon.pids()["ingest"])) - set(old), what="gunicorn has a new worker")
        until(lambda: daemon.post(an_event()).status == 200, what="an event is answered")
        until(lambda: recorder.accepted, what="the event has arrived")


def test_no_process_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    with Recorder() as recorder:
        daemon = Daemon(tmp_path, to_each(out=recorder.url)).start()
        try:
            pids = daemon.kill_supervisor()
            assert len(pids) >= 4
            until(lambda: not any(map(processes.alive, pids)), 15, what="every process has ended")
        finally:
            daemon.end()


def test_after_a_killed_supervisor_the_daemon_starts_again_and_goes_on(tmp_path: Path) -> None:
    with Recorder(lambda _: Reply(503)) as recorder:
        daemon = Daemon(tmp_path, to_each(out=recorder.url)).start()
        try:
            assert daemon.post(an_event()).status == 200
            until(lambda: recorder.requests)
            pids = daemon.kill_supervisor()
            until(lambda: not any(map(processes.alive, pids)), 15, what="every process has ended")
        finally:
            daemon.end()
        recorder.judge(lambda _: Reply())
        with daemon:
            until(lambda: recorder.accepted, 90, what="the event has arrived")


def test_a_second_daemon_on_the_same_data_refuses_to_start(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    with Recorder() as recorder, Daemon(tmp_path / "first", to_each(out=recorder.url)) as first:
        config = to_each(out=recorder.url).replace("sqlite:data", f"sqlite:{first.data}")
        second = Daemon(tmp_path / "second", config)
        second.launch()
        assert second.wait() == 1
        assert "Traceback" not in second.log()
        assert str(first.data) in second.log()
        assert first.state()["pid"] == first.pid
        assert first.post(an_event()).status == 200
        until(lambda: recorder.accepted, what="the event has arrived")


def test_sigterm_finishes_the_attempt_that_is_in_flight(tmp_path: Path) -> None:
    begun, release = threading.Event(), threading.Event()

    def slowly(_: Received) -> Reply:
        begun.set()
        release.wait(20)
        return Reply()

    with Recorder(slowly) as recorder:
        daemon = Daemon(tmp_path, to_each(out=recorder.url)).start()
        try:
            first, second = an_event(1), an_event(2)
            assert daemon.post(first).status == 200
            assert begun.wait(10)
            host, port = urlsplit(daemon.url()).hostname, urlsplit(daemon.url()).port
            daemon.process.terminate()
            until(lambda: _refuses(host, port), what="new connections are refused while the attempt goes on")
            release.set()
            assert daemon.wait() == 0
        finally:
            release.set()
            daemon.end()
        with daemon:
            assert daemon.post(second).status == 200
            until(lambda: len(recorder.accepted) >= 2, what="the second event has arrived")
        assert bodies(recorder) == [first, second]


def _refuses(host: str | None, port: int | None) -> bool:
    try:
        socket.create_connection((host or "", port or 0), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_restart_continues_what_waited(tmp_path: Path) -> None:
    with Recorder(lambda _: Reply(503)) as recorder:
        daemon = Daemon(tmp_path, to_each(out=recorder.url))
        posted = events(1)
        with daemon:
            for body in posted:
                assert daemon.post(body).status == 200
            until(lambda: recorder.requests)
        recorder.judge(lambda _: Reply())
        with daemon:
            until(lambda: len(recorder.accepted) == len(posted), 30, what="every event has arrived")
        assert bodies(recorder) == posted


def test_the_same_event_posted_twice_is_one_event(tmp_path: Path) -> None:
    with Recorder() as recorder, Daemon(tmp_path, to_each(out=recorder.url)) as daemon:
        first, last, *_ = events()
        assert [daemon.post(body).status for body in (first, first, last)] == [200, 200, 200]
        until(lambda: last in bodies(recorder), what="the last event has arrived")
        assert bodies(recorder) == [first, last]


def test_a_destination_that_never_answers_delays_nobody_else(tmp_path: Path) -> None:
    with (
        Receiver() as fine,
        Receiver() as dead,
        Daemon(tmp_path, to_each(fine=fine.url, dead=dead.url)) as daemon,
        Load(daemon.url(), connections=16) as load,
    ):
        dead.behave(fate="hang")
        load.start("closed", count=1000)
        assert load.wait(30)["answers"] == {"200": 1000}
        # Attempts at the dead one end after 30 s at the earliest; here everything has arrived before even one did.
        until(lambda: fine.report()["different"] == 1000, 20, what="the fine destination has everything")
        assert dead.report()["different"] == 0
        assert dead.report()["requests"] > 0
        dead.recover()
        until(lambda: dead.report()["different"] == 1000, 30, what="the other one has caught up")


def test_events_of_a_call_arrive_in_order_however_often_attempts_fail(tmp_path: Path) -> None:
    with (
        Receiver(log=True) as receiver,
        Daemon(tmp_path, to_each(out=receiver.url)) as daemon,
        Load(daemon.url(), connections=8) as load,
    ):
        receiver.behave(status=503, share=0.3, seed=11)
        load.start("closed", count=500)
        assert load.wait(30)["answers"] == {"200": 500}
        until(lambda: receiver.report()["different"] == 500, 30, what="every event has arrived", every=0.1)
        report = receiver.report()
        assert report["refused"] > 0
        assert (report["unordered"], report["repeats"]) == (0, 0)
        assert out_of_order(receiver.log()) == set()


def test_a_destination_with_unfinished_deliveries_cannot_be_removed(tmp_path: Path) -> None:
    with Recorder(lambda _: Reply(503)) as recorder, Recorder() as other:
        with Daemon(tmp_path, to_each(gone=recorder.url, stays=other.url)) as daemon:
            assert daemon.post(an_event()).status == 200
            until(lambda: recorder.requests)
        without = Daemon(tmp_path, to_each(stays=other.url))
        without.launch()
        assert without.wait() == 2
        assert "gone" in without.log()
        assert "give-up" in without.log()
        assert "Traceback" not in without.log()
