"""Input that nobody sends by mistake, and an end in the middle of everything."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.posting import event_of, post_all
from tests.acceptance.trial import Caught, Finding, Tell, Trial
from tests.harness.daemon import Daemon
from tests.harness.waiting import pause, until

pytestmark = pytest.mark.slow

TIMES = 100


def connect(daemon: Daemon) -> socket.socket:
    """A connection to where events are posted."""
    where = urlsplit(daemon.url())
    return socket.create_connection((where.hostname or "", where.port or 0), timeout=10)


def head(length: int) -> bytes:
    """The head of a request with a body of *length* bytes."""
    return f"POST /webhooks/wavix HTTP/1.1\r\nHost: callrouter\r\nContent-Length: {length}\r\n\r\n".encode()


def same_event(folder: Path, seed: int, *, broken: str = "") -> Finding:
    """The same event from many connections at the same time."""
    body = event_of(0)
    with Trial(folder, seed, "out", broken=broken) as trial:
        trial.daemon.start()
        answers = post_all(trial.daemon, [body] * TIMES, 25)
        last = event_of(1)
        assert trial.daemon.post(last).status == 200
        trial.ledger.write_text("sent 0 0\n200 0 0\nsent 1 0\n200 1 0\n")
        trial.drained()
        trial.stop()
        finding = trial.judge()
    refused = [answer for answer in answers if answer is None or answer.status != 200]
    finding.faults += [f"A: {len(refused)} of {TIMES} were not answered with 200"] if refused else []
    finding.injected = TIMES
    return finding


def test_the_same_event_a_hundred_times_at_once_is_one_event(tmp_path: Path, seed: int, tell: Tell) -> None:
    finding = same_event(tmp_path, seed)
    tell("the same event a hundred times at once", finding)
    assert finding.faults == []


def test_an_event_that_is_not_recognised_again_would_be_noticed(tmp_path: Path, seed: int, caught: Caught) -> None:
    caught("recognition", "B", same_event(tmp_path, seed, broken="recognition"))


def test_hostile_requests_leave_nothing_behind_and_stop_nobody(tmp_path: Path, seed: int) -> None:
    with Trial(tmp_path, seed, "out") as trial:
        daemon = trial.daemon.start()
        slow = [connect(daemon) for _ in range(20)]
        for number, connection in enumerate(slow):
            connection.sendall(head(500)[: 20 + number])
        half = connect(daemon)
        body = event_of(0)
        half.sendall(head(len(body)) + body[:200])
        half.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        half.close()
        # Hanging up in the middle of such a body says the same.
        with suppress(ConnectionError):
            assert daemon.post(b"x" * 10_000_000, timeout=20).status == 413
        assert daemon.post(b'{"uuid": "\xff\xfe"}').status == 422
        assert daemon.post(body[:-1]).status == 422
        assert daemon.post(event_of(1)).status == 200
        for connection in slow:
            connection.sendall(b".")
            connection.close()
        until(lambda: trial.receivers["out"].report()["different"] == 1, what="the good event has arrived")
        trial.ledger.write_text("sent 1 0\n200 1 0\n")
        trial.stop()
        assert trial.judge().faults == []


def ended_under_load(folder: Path, seed: int, *, times: int) -> Finding:
    """SIGTERM in the middle of load, and the start after it."""
    with Trial(folder, seed, "out") as trial:
        trial.daemon.start()
        load = trial.load()
        load.start("open", rate=300)
        for _ in range(times):
            pause(trial.dice.uniform(0.3, 1.0))
            trial.stop()
            trial.daemon.start()
            load.retarget(trial.daemon.url())
        load.stop(60)
        trial.drained()
        trial.stop()
        finding = trial.judge()
    if finding.duplicates:
        finding.faults.append(f"B: {finding.duplicates} duplicates, though every end was in order")
    finding.injected = times
    return finding


def test_an_end_in_order_under_load_loses_and_repeats_nothing(
    tmp_path: Path, seed: int, scale: int, tell: Tell
) -> None:
    finding = ended_under_load(tmp_path, seed, times=3 * scale)
    tell("SIGTERM under load", finding)
    assert finding.faults == []
