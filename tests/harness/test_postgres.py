"""The PostgreSQL that tests start is a real one, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from tests.harness import postgres
from tests.harness.postgres import Server, Version
from tests.harness.processes import alive, children
from tests.harness.waiting import until

_STARTS_ONE = """
import sys
from tests.harness.postgres import Server
server = Server.start(durable=False)
print(server.pid, server.folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One that may be killed."""
    server = Server.start(durable=True)
    yield server
    server.stop()


def asked(url: str, question: LiteralString) -> object:
    with psycopg.connect(url) as db:
        row = db.execute(question).fetchone()
        return row and row[0]


@pytest.mark.parametrize(("version", "major"), [("newest", 18), ("older", 16)])
def test_two_major_versions_can_be_started(version: Version, major: int) -> None:
    server = Server.start(version, durable=False)
    try:
        assert int(str(asked(server.create_database(), "SHOW server_version_num"))) // 10000 == major
    finally:
        server.stop()


def test_what_a_killed_server_had_committed_is_there_when_it_starts_again(server: Server) -> None:
    url = server.create_database()
    with psycopg.connect(url) as db:
        db.execute("CREATE TABLE kept (word text)")
        db.execute("INSERT INTO kept VALUES ('here')")
    family = children(server.pid)

    server.kill()
    assert family
    assert not any(map(alive, family))
    server.start_again()

    assert asked(url, "SELECT word FROM kept") == "here"


def test_a_durable_server_waits_for_the_disk(server: Server, postgres_url: str) -> None:
    assert asked(server.create_database(), "SHOW fsync") == "on"
    assert asked(postgres_url, "SHOW fsync") == "off"


def test_databases_are_separate_and_their_owner_is_no_superuser(server: Server) -> None:
    with psycopg.connect(first := server.create_database()) as db:
        db.execute("CREATE TABLE mine ()")

    assert asked(server.create_database(), "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'") == 0
    assert asked(first, "SHOW is_superuser") == "off"


def test_a_database_can_begin_as_a_copy_of_another(server: Server) -> None:
    first = server.create_database()
    with psycopg.connect(first) as db:
        db.execute("CREATE TABLE mine ()")

    copy = server.create_database(template=first.rpartition("/")[2])

    assert asked(copy, "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'") == 1


def test_the_port_wants_the_password_and_the_socket_does_not(server: Server) -> None:
    url = server.create_database()

    assert asked(server.url(url.rpartition("/")[2], by_socket=True), "SELECT 1") == 1
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(postgres.PASSWORD, "wrong"))


def test_a_stopped_server_leaves_no_process_and_no_folder() -> None:
    server = Server.start(durable=False)
    family = [server.pid, *children(server.pid)]

    server.stop()

    assert not server.folder.exists()
    until(lambda: not any(map(alive, family)), what="the end of the server")


def test_a_killed_test_run_takes_its_server_along_and_the_next_removes_its_folder() -> None:
    here = Path(__file__).parent.parent.parent
    run = subprocess.Popen(
        [sys.executable, "-c", _STARTS_ONE], cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout
    assert run.stdin
    pid, folder = run.stdout.readline().split()
    assert alive(int(pid))

    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    run.stdin.close()
    run.stdout.close()

    until(lambda: not alive(int(pid)), what="the end of the server")
    Server.start(durable=False).stop()
    assert not Path(folder).exists()
