"""The worker's side of the sender processes, over real socketpairs."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from router.calls import Call
from router.sender import Job, Outcome
from router.sender.frames import Decoder, encode
from router.store import Claim, Owed
from router.worker.senders import Senders

BOTH = {"crm": [0, 1], "pager": [1]}


def claim(number: int, destination: str = "crm") -> Claim:
    return Claim(
        delivery_id=number,
        attempt=1,
        destination=destination,
        rule="all",
        key=f"key-{number}",
        source="wavix",
        received_at=100.0,
        body=b"{}",
        facts="{}",
        call=Call("wavix", "c"),
        receipt=None,
        event_id=number,
        event_type="ringing",
        call_id="c",
        owed=Owed(100.0, 100.0),
    )


@pytest.fixture
def ends() -> Iterator[list[socket.socket]]:
    made: list[socket.socket] = []
    yield made
    for end in made:
        end.close()


@pytest.fixture
def senders(ends: list[socket.socket]) -> Senders:
    connected = Senders()
    for index in (0, 1):
        ours, theirs = socket.socketpair()
        theirs.settimeout(5)
        ends += [ours, theirs]
        connected.connect(index, ours)
    return connected


def theirs(ends: list[socket.socket], index: int) -> socket.socket:
    return ends[2 * index + 1]


def jobs(end: socket.socket) -> list[Job]:
    return Decoder(Job).feed(end.recv(1 << 20))


def test_deliveries_are_spread_over_the_senders(senders: Senders, ends: list[socket.socket]) -> None:
    senders.hand_over([claim(number) for number in range(4)], BOTH)

    assert [len(jobs(theirs(ends, index))) for index in (0, 1)] == [2, 2]
    assert senders.in_hand("crm") == 4


def test_only_senders_with_a_share_get_a_delivery(senders: Senders, ends: list[socket.socket]) -> None:
    senders.hand_over([claim(number, "pager") for number in range(3)], BOTH)

    assert [job.delivery_id for job in jobs(theirs(ends, 1))] == [0, 1, 2]


def test_an_outcome_comes_back_with_its_claim(senders: Senders, ends: list[socket.socket]) -> None:
    senders.hand_over([claim(7, "pager")], BOTH)
    theirs(ends, 1).send(encode([Outcome(7, 1, "delivered", status=200)]))

    [ended] = senders.collect(senders.connections[1], now=200.0)

    assert (ended.claim.delivery_id, ended.outcome.kind, ended.outcome.status) == (7, "delivered", 200)
    assert senders.in_hand("pager") == 0


def test_an_outcome_for_what_is_not_in_hand_is_ignored(senders: Senders, ends: list[socket.socket]) -> None:
    theirs(ends, 0).send(encode([Outcome(99, 1, "delivered")]))

    assert senders.collect(senders.connections[0], now=200.0) == []


def test_a_late_outcome_does_not_end_the_attempt_that_followed_it(senders: Senders, ends: list[socket.socket]) -> None:
    first = claim(7, "pager")
    senders.hand_over([first], BOTH)
    senders.hand_over([replace(first, attempt=2)], BOTH)
    theirs(ends, 1).send(encode([Outcome(7, 1, "temporary"), Outcome(7, 2, "delivered")]))

    ended = senders.collect(senders.connections[1], now=200.0)

    assert [(one.claim.attempt, one.outcome.attempt, one.outcome.kind) for one in ended] == [
        (1, 1, "temporary"),
        (2, 2, "delivered"),
    ]
    assert senders.in_hand("pager") == 0


def test_what_a_lost_sender_had_in_hand_is_unknown(senders: Senders, ends: list[socket.socket]) -> None:
    senders.hand_over([claim(7, "pager"), claim(8, "pager")], BOTH)
    theirs(ends, 1).send(encode([Outcome(7, 1, "delivered")]))
    theirs(ends, 1).close()

    ended = senders.collect(senders.connections[1], now=200.0)

    assert [(one.claim.delivery_id, one.outcome.kind) for one in ended] == [(7, "delivered"), (8, "unknown")]
    assert senders.in_hand("pager") == 0
    assert not senders.able(BOTH["pager"])


def test_what_a_full_socket_will_not_take_is_sent_later(senders: Senders, ends: list[socket.socket]) -> None:
    many = [claim(number, "pager") for number in range(5000)]
    senders.hand_over(many, BOTH)
    assert senders.connections[1].unsent

    decoder, got = Decoder(Job), 0
    while got < len(many):
        got += len(decoder.feed(theirs(ends, 1).recv(1 << 16)))
        senders.flush(senders.connections[1])

    assert not senders.connections[1].unsent
