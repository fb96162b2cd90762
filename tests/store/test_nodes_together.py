"""Several nodes on one database: whatever they do beside each other, lines keep their order and nothing is left."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from dataclasses import dataclass, field

import pytest

from router.location import PostgresAt
from router.secret import Secret
from router.shares import ALL, SHARES, share_of
from router.store import Attempt, Claim, Filter, NewDelivery, NewEvent, State
from router.store.postgres.reading import PostgresReading
from router.store.postgres.store import PostgresStore
from tests.harness.waiting import until

NODES = 3
CALLS, EVENTS = 12, 40


@dataclass
class Node:
    """One node: it routes the events of its own shares, and sends whatever it can claim. One attempt in ten fails."""

    number: int
    store: PostgresStore
    sent: list[tuple[str, int]]
    seed: int
    waiting: list[tuple[str, int]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        chance = random.Random(self.seed)
        claims: list[Claim] = []
        try:
            while not stop.is_set():
                claims = self.turn(chance, claims)
        except Exception as ex:  # noqa: BLE001 - told by the test
            self.failures.append(ex)

    def turn(self, chance: random.Random, claims: list[Claim]) -> list[Claim]:
        coming = [self.waiting.pop(0) for _ in range(min(3, len(self.waiting)))]
        store = self.store
        with store.transaction():
            store.expect(
                attempts=[claim.delivery_id for claim in claims],
                calls=[("wavix", call) for call, _ in coming],
                keys=[_key(*one) for one in coming],
            )
            for claim in claims:
                assert store.record(_attempt(claim, self.owner, failed=chance.random() < 0.1))
            for call, number in coming:
                store.add_event(_event(call, number), [NewDelivery("crm", "all", True)], now=100.0)
            claims = store.claim("crm", now=100.0, owner=self.owner, lease_until=1000.0, limit=chance.randint(1, 5))
        self.sent += [(claim.call_id, claim.event_id) for claim in claims]
        return claims

    @property
    def owner(self) -> str:
        return f"n{self.number}/1"


def _key(call: str, number: int) -> bytes:
    return f"{call} {number}".encode().ljust(24)


def _event(call: str, number: int) -> NewEvent:
    return NewEvent(
        key=_key(call, number), source="wavix", call_id=call, event_type="ringing", event_time=float(number),
        received_at=100.0, body=b"{}", facts={}, late=False, config_version="v1", rules=["all"], unmatched=False,
    )  # fmt: skip


def _attempt(claim: Claim, owner: str, *, failed: bool) -> Attempt:
    return Attempt(
        delivery_id=claim.delivery_id, attempt=claim.attempt, owner=owner,
        state=State.READY if failed else State.DELIVERED, outcome="failed" if failed else "delivered", reason=None,
        status=None, started_at=100.0, ended_at=100.0,
    )  # fmt: skip


@pytest.fixture
def nodes(postgres_url):
    """Three nodes whose shares are apart, with the events of a few busy calls before them."""
    sent: list[tuple[str, int]] = []
    found = []
    for number in range(NODES):
        store = PostgresStore.open(PostgresAt(Secret(postgres_url)), node=f"n{number}")
        store.know(["crm"], {})
        store.hold(share for share in ALL if share % NODES == number)
        found.append(Node(number, store, sent, seed=number))
    for number in range(EVENTS):
        for call in range(CALLS):
            call_id = f"call-{call}"
            found[share_of("wavix", call_id) % NODES].waiting.append((call_id, number))
    yield found
    for node in found:
        node.store.close()


def work(nodes: list[Node], postgres_url: str) -> list[Node]:
    """Have all nodes work until nothing is unfinished; return those that failed."""
    stop = threading.Event()
    threads = [threading.Thread(target=node.run, args=(stop,)) for node in nodes]
    reading = PostgresReading.open(PostgresAt(Secret(postgres_url)))

    def done() -> bool:
        counts = {row.name: row.counts for row in reading.destinations()}["crm"]
        return any(node.failures for node in nodes) or counts.get(State.DELIVERED) == CALLS * EVENTS

    try:
        for thread in threads:
            thread.start()
        until(done, 60, what="everything is delivered")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        reading.close()
    return [node for node in nodes if node.failures]


def test_nodes_beside_each_other_keep_every_line_in_order_and_leave_nothing_behind(nodes, postgres_url):
    failed = work(nodes, postgres_url)

    assert failed == []
    arrived: dict[str, list[int]] = defaultdict(list)
    for call, event in nodes[0].sent:
        if event not in arrived[call]:
            arrived[call].append(event)
    assert {call: len(events) for call, events in arrived.items()} == {f"call-{n}": EVENTS for n in range(CALLS)}
    assert all(events == sorted(events) for events in arrived.values())
    assert len({node.number for node in nodes if node.store.session.statements > 10}) == NODES


def test_what_a_node_claims_no_other_node_can_claim_or_end(nodes):
    first, second = nodes[0], nodes[1]
    for node in (first, second):
        while node.waiting:
            node.turn(random.Random(1), [])
    with first.store.transaction():
        mine = first.store.claim("crm", now=100.0, owner="n0/1", lease_until=1000.0, limit=100)
        with second.store.transaction():
            theirs = second.store.claim("crm", now=100.0, owner="n1/1", lease_until=1000.0, limit=100)
    assert not {claim.delivery_id for claim in mine} & {claim.delivery_id for claim in theirs}

    for claim in mine:
        assert not second.store.record(_attempt(claim, "n1/1", failed=False))


def test_what_a_lost_node_was_sending_is_taken_over_and_its_late_word_is_refused(nodes):
    lost, other = nodes[0], nodes[1]
    lost.waiting = lost.waiting[:1]
    [claim] = lost.turn(random.Random(1), [])

    [lapsed] = other.store.lapsed(1001.0, 10)
    assert other.store.record(_attempt(claim, lapsed.owner, failed=True))
    [again] = other.store.claim("crm", now=1001.0, owner="n1/1", lease_until=2000.0, limit=1)

    assert again.delivery_id == claim.delivery_id
    assert not lost.store.record(_attempt(claim, "n0/1", failed=False))
    assert other.store.record(_attempt(again, "n1/1", failed=False))


def test_every_share_is_somebodys(nodes):
    assert sorted(share for node in nodes for share in node.store.shares) == list(range(SHARES))


def test_a_tally_of_many_nodes_is_the_sum(nodes, postgres_url):
    assert work(nodes, postgres_url) == []

    reading = PostgresReading.open(PostgresAt(Secret(postgres_url)))
    [row] = reading.destinations()
    counted = {one.state: one.number for one in reading.count(Filter(), 0, 10**9)}
    reading.close()

    assert row.counts == counted == {State.DELIVERED: CALLS * EVENTS}
