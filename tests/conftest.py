"""What tests of several folders share: a real PostgreSQL, started when the first test of a process asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from router import clock

if TYPE_CHECKING:
    from tests.harness.postgres import Server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """The newest PostgreSQL, one for all tests of this process; none of them may stop it, or change its settings."""
    from tests.harness.postgres import Server

    server = Server.start("newest", durable=False)
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """A database of this test's own, empty."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(autouse=True)
def own_clock() -> Iterator[None]:
    """Each test begins by the clock of the machine, whatever the one before has followed."""
    yield
    clock.follow(None)
