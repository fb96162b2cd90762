"""Generator and receiver against each other, without a daemon between."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from router import event
from tests.harness.counters import Counters
from tests.harness.daemon import request
from tests.harness.events import EVENTS, Mark, OpenCall, TimeText, call_id, read_mark
from tests.harness.load import Load
from tests.harness.receiver import Arrivals, Receiver
from tests.harness.verdict import Ledger, judge
from tests.harness.waiting import until


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(log=True) as receiver:
        yield receiver


def write_call(number: int = 3) -> list[bytes]:
    clock = TimeText()
    call = OpenCall(number, 1, clock.now())
    return [call.write(clock.now(), 1000 + position) for position in range(EVENTS)]


def test_every_event_of_a_call_is_one_that_callrouter_accepts() -> None:
    bodies = write_call()
    for body in bodies:
        event.check(body)
    assert {json.loads(body)["uuid"] for body in bodies} == {call_id(3, 1)}
    assert len({json.loads(body)["event_type"] for body in bodies}) == EVENTS


def test_an_event_tells_what_it_is_and_when_it_was_sent() -> None:
    assert [read_mark(body) for body in write_call()] == [Mark(3, position, 1000 + position) for position in range(5)]


def test_no_two_calls_share_an_id() -> None:
    assert len({call_id(number, seed) for number in range(1000) for seed in range(3)}) == 3000


@pytest.mark.parametrize(("mode", "extra"), [("closed", {}), ("open", {"rate": 5000}), ("window", {"window": 50})])
def test_all_that_is_sent_arrives_once_and_in_order(mode: str, extra: dict[str, int], tmp_path: Path) -> None:
    path, counters = Counters.create(tmp_path)
    with (
        Receiver(path, log=True) as receiver,
        Load(receiver.url, connections=8, ledger=tmp_path / "ledger", counters=path) as load,
    ):
        load.start(mode, count=500, **extra)  # type: ignore[arg-type]  # the parameters spell the modes
        report = load.wait(10)
        arrivals = receiver.log()
    assert report["answers"] == {"200": 500}
    assert counters.accepted == report["latency"]["count"] == 500
    ledger = Ledger.read(tmp_path / "ledger")
    assert len(ledger.acknowledged) == 500
    log = [(call, position, f"{call}-{position}", good) for call, position, _, good in arrivals]
    assert judge(ledger, log, unknown={}).faults == []


def test_a_sender_that_insists_repeats_each_event_until_it_is_accepted(receiver: Receiver, tmp_path: Path) -> None:
    receiver.behave(status=503, share=0.5, seed=7)
    with Load(receiver.url, connections=4, ledger=tmp_path / "ledger", insist=True) as load:
        load.start("closed", count=40)
        report = load.wait(10)
    assert report["answers"]["200"] == 40
    assert report["answers"]["503"] > 0
    ledger = Ledger.read(tmp_path / "ledger")
    assert ledger.acknowledged == ledger.sent
    assert receiver.report()["different"] == 40


def test_a_broken_connection_is_made_again_and_the_event_repeated(receiver: Receiver) -> None:
    receiver.behave(fate="lost", share=0.3, seed=7)
    with Load(receiver.url, connections=4, insist=True) as load:
        load.start("closed", count=40)
        report = load.wait(10)
    assert report["answers"]["200"] == 40
    assert report["answers"]["broken"] > 0
    assert receiver.report()["repeats"] > 0


def test_a_receiver_left_hanging_is_seen_by_nobody_until_it_recovers(receiver: Receiver) -> None:
    receiver.behave(fate="hang")
    with Load(receiver.url, connections=2, insist=True) as load:
        load.start("closed", count=2)
        until(lambda: receiver.report()["requests"] == 2)
        assert load.report()["accepted"] == 0
        receiver.recover()
        assert load.wait(10)["accepted"] == 2


def test_a_receiver_tells_repeats_and_wrong_order_apart() -> None:
    arrivals = Arrivals(None)
    for position in (0, 2, 1, 2, 3):
        arrivals.add(Mark(70_000, position, 0), 5, lambda: "", accepted=True)
    arrivals.add(Mark(70_000, 4, 0), 5, lambda: "", accepted=False)
    report = arrivals.report()
    counts = {name: report[name] for name in ("requests", "different", "repeats", "unordered", "refused")}
    assert counts == {"requests": 6, "different": 4, "repeats": 1, "unordered": 1, "refused": 1}


def test_a_receiver_answers_late_and_with_retry_after_when_told(receiver: Receiver) -> None:
    receiver.behave(status=429, retry_after=7, delay=0.01)
    answer = request("POST", receiver.url, write_call()[0], {"webhook-id": "k"})
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert receiver.log() == [(3, 0, "k", False)]


def test_what_a_receiver_gets_in_pieces_is_one_request(receiver: Receiver) -> None:
    body = write_call()[0]
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    port = int(receiver.url.rstrip("/").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for number, piece in enumerate((head[:20], head[20:], body[:100], body[100:] + head, body)):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(piece)
            # Any answer shows that the pieces so far have been read.
            request("POST", receiver.url, b"", {"X-Piece": str(number)})
        until(lambda: receiver.report()["requests"] == 2)
    assert receiver.report()["repeats"] == 1
