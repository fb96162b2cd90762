"""A store per test, once per database, and short words for what every test of a store does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest

from router.calls import Call, CallState
from router.store import Attempt, Claim, Filter, NewDelivery, NewEvent, Reading, State, Store
from router.store.sqlite.reading import SqliteReading
from router.store.sqlite.store import SqliteStore

DESTINATIONS = ("crm", "slack", "pager")


@dataclass
class Databases:
    """Opens this test's database, as the worker (``store``) and as everybody else (``reading``) would."""

    data: Path
    opened: list[Any] = field(default_factory=list)

    def store(self) -> Store:
        store = SqliteStore.open(self.data)
        # Waiting for the disk is most of a commit, and no test can pull the plug; test_sqlite.py opens its own.
        store._db.execute("PRAGMA synchronous = OFF")
        self.opened.append(store)
        return store

    def reading(self) -> Reading:
        reading = SqliteReading.open(self.data)
        self.opened.append(reading)
        return reading


@pytest.fixture(params=["sqlite"])
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    databases = Databases(tmp_path / "data")
    yield databases
    for opened in databases.opened:
        opened.close()


@pytest.fixture
def open_store(databases: Databases) -> Callable[[], Store]:
    return databases.store


@pytest.fixture
def open_reading(databases: Databases) -> Callable[[], Reading]:
    return databases.reading


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    store = open_store()
    store.know(DESTINATIONS, {})
    return store


@pytest.fixture
def reading(store: Store, open_reading: Callable[[], Reading]) -> Reading:
    return open_reading()


@dataclass
class Desk:
    """The worker's moves, with what a test does not care about filled in."""

    store: Store
    count: int = 0

    def event(self, call: str = "call-1", *, key: bytes | None = None, **changes: Any) -> NewEvent:
        self.count += 1
        given: dict[str, Any] = {
            "key": key or self.count.to_bytes(24, "big"),
            "source": "wavix",
            "call_id": call,
            "event_type": "ringing",
            "event_time": 90.0,
            "received_at": 100.0,
            "body": b'{"uuid": "x"}',
            "facts": {"first": True},
            "late": False,
            "config_version": "v1",
            "rules": ["missed"],
            "unmatched": False,
        }
        return NewEvent(**given | changes)

    def owe(
        self,
        call: str = "call-1",
        *to: str,
        ordered: bool = True,
        held: bool = False,
        now: float = 100.0,
        **changes: Any,
    ) -> int:
        """Add one event with a delivery to each of *to* (``crm`` when none is given); return the event's id."""
        deliveries = [NewDelivery(name, "missed", ordered, held) for name in to or ("crm",)]
        event_id = self.store.add_event(self.event(call, **changes), deliveries, now=now)
        assert event_id is not None
        return event_id

    def take(
        self,
        destination: str = "crm",
        *,
        now: float = 100.0,
        owner: str = "w1",
        lease: float = 60.0,
        limit: int = 100,
        retries: int | None = None,
    ) -> list[Claim]:
        return self.store.claim(
            destination, now=now, owner=owner, lease_until=now + lease, limit=limit, retries=retries
        )

    def one(self, destination: str = "crm", **changes: Any) -> Claim:
        (claim,) = self.take(destination, **changes)
        return claim

    def end(self, claim: Claim, state: State = State.DELIVERED, *, now: float = 101.0, **changes: Any) -> bool:
        given: dict[str, Any] = {
            "delivery_id": claim.delivery_id,
            "attempt": claim.attempt,
            "owner": "w1",
            "state": state,
            "outcome": "delivered" if state is State.DELIVERED else "failed",
            "reason": None if state is State.DELIVERED else "said no",
            "status": None,
            "started_at": now,
            "ended_at": now,
        }
        return self.store.record(Attempt(**given | changes))

    def kill(self, claim: Claim, **changes: Any) -> None:
        assert self.end(claim, State.DEAD, **changes)


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


@pytest.fixture
def full_call() -> Call:
    """A call none of whose fields has its default."""
    values: dict[str, Any] = {"float": 12.5, "int": 7, "bool": True, "str": "text"}
    given = {f.name: values[str(f.type).split(" ")[0]] for f in fields(Call) if f.name not in ("fired", "state")}
    return Call(**given, state=CallState.ANSWERED, fired=frozenset({"vip", "sales"}))


@pytest.fixture
def states(reading: Reading) -> Callable[[], dict[int, State]]:
    """Delivery id → state, as a reader sees it."""
    return lambda: {row.id: row.state for row in reading.deliveries(Filter(), 1000)}
