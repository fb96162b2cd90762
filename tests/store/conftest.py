"""A store per test, once per database, and short words for what every test of a store does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import psycopg
import pytest

from router.calls import Call, CallState
from router.location import PostgresAt
from router.secret import Secret
from router.store import Attempt, Claim, Filter, NewDelivery, NewEvent, Reading, State, Store
from router.store.postgres.reading import PostgresReading
from router.store.postgres.store import PostgresStore
from router.store.sqlite.reading import SqliteReading
from router.store.sqlite.store import SqliteStore
from tests.harness.postgres import Server

DESTINATIONS = ("crm", "slack", "pager")


#: Once for each of these, where a module does not say otherwise (``DATABASES``). Besides, there are "older postgres",
#: and "fresh postgres" for tests that make or drop tables.
USUAL = ("sqlite", "postgres")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "databases" in metafunc.fixturenames:
        metafunc.parametrize("databases", getattr(metafunc.module, "DATABASES", USUAL), indirect=True)


class Databases(ABC):
    """Opens this test's database, as the worker (``store``) and as everybody else (``reading``) would."""

    def __init__(self) -> None:
        self.opened: list[Any] = []

    def store(self) -> Any:
        return self._opened(self._open_store())

    def reading(self) -> Any:
        return self._opened(self._open_reading())

    def close(self) -> None:
        for opened in self.opened:
            opened.close()

    def _opened(self, one: Any) -> Any:
        self.opened.append(one)
        return one

    @abstractmethod
    def _open_store(self) -> Store: ...

    @abstractmethod
    def _open_reading(self) -> Reading: ...


class Sqlite(Databases):
    def __init__(self, data: Path) -> None:
        super().__init__()
        self._data = data

    def _open_store(self) -> Store:
        store = SqliteStore.open(self._data)
        # Waiting for the disk is most of a commit, and no test can pull the plug; test_sqlite.py opens its own.
        store._db.execute("PRAGMA synchronous = OFF")
        return store

    def _open_reading(self) -> Reading:
        return SqliteReading.open(self._data)


#: Empties all tables but that of the migrations, and has all numbers begin anew.
_CLEAR = """
DO $$
DECLARE
    one regclass;
    has_rows boolean;
BEGIN
    FOR one IN SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
               AND relname <> 'callrouter_migration' LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s)', one) INTO has_rows;
        IF has_rows THEN
            EXECUTE format('TRUNCATE %s', one);
        END IF;
    END LOOP;
    PERFORM setval(oid::regclass, 1, false) FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'S';
END $$
"""


class Postgres(Databases):
    """A database of this test's own."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.at = PostgresAt(Secret(url))

    def _open_store(self) -> Store:
        return PostgresStore.open(self.at, node="n1")

    def _open_reading(self) -> Reading:
        return PostgresReading.open(self.at)


class SharedPostgres(Postgres):
    """One that all tests on its server use, each after the other has emptied it: quicker than one for each."""

    def close(self) -> None:
        super().close()
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(_CLEAR)


@pytest.fixture(scope="session")
def older_postgres_server() -> Iterator[Server]:
    server = Server.start("older", durable=False)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_url(postgres_server: Server) -> str:
    return postgres_server.create_database()


@pytest.fixture(scope="session")
def older_shared_url(older_postgres_server: Server) -> str:
    return older_postgres_server.create_database()


@pytest.fixture
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    asked = request.getfixturevalue
    databases: Databases
    match request.param:
        case "sqlite":
            databases = Sqlite(tmp_path / "data")
        case "postgres":
            databases = SharedPostgres(asked("shared_url"))
        case "older postgres":
            databases = SharedPostgres(asked("older_shared_url"))
        case _:
            databases = Postgres(asked("postgres_url"))
    yield databases
    databases.close()


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
