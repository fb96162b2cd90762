"""A connection to PostgreSQL is one that a store can trust; where there is none, an operator reads why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from router.errors import DiskFull, StoreDamaged, StoreError
from router.location import PostgresAt
from router.secret import Secret
from router.store.postgres import connection
from router.store.postgres.connection import connect, refusal
from tests.harness.postgres import PASSWORD, ROLE, Server


def at(url: str) -> PostgresAt:
    return PostgresAt(Secret(url))


def opened(url: str, node: str | None = "london-1") -> psycopg.Connection:
    return connect(at(url), role="worker", node=node, statement_timeout=1.5)


def refused(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        opened(url)
    assert PASSWORD not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


def show(db: psycopg.Connection, setting: str) -> str:
    row = db.execute("SELECT current_setting(%s)", (setting,)).fetchone()
    assert row
    return str(row[0])


@pytest.fixture
def server() -> Iterator[Server]:
    """One of this test's own."""
    server = Server.start(durable=False)
    yield server
    server.stop()


def test_a_connection_begins_no_transaction_and_says_who_it_is(postgres_url: str) -> None:
    with closing(opened(postgres_url)) as db, closing(opened(postgres_url, None)) as other:
        assert db.autocommit
        assert show(db, "application_name") == "callrouter/london-1/worker"
        assert show(other, "application_name") == "callrouter/worker"


def test_nothing_waits_for_ever_and_a_machine_that_is_gone_is_noticed(postgres_url: str) -> None:
    with closing(opened(postgres_url)) as db:
        assert show(db, "statement_timeout") == "1500ms"
        assert show(db, "lock_timeout") == "5s"
        assert show(db, "idle_in_transaction_session_timeout") == "30s"
        said = db.info.get_parameters()
        assert {name: said[name] for name in ("connect_timeout", "keepalives_idle", "tcp_user_timeout")} == {
            "connect_timeout": "5",
            "keepalives_idle": "10",
            "tcp_user_timeout": "5000",
        }


def test_what_the_url_says_itself_is_left_as_it_is(postgres_url: str) -> None:
    with closing(opened(f"{postgres_url}?application_name=mine&keepalives_idle=77")) as db:
        assert show(db, "application_name") == "mine"
        assert db.info.get_parameters()["keepalives_idle"] == "77"


@pytest.mark.parametrize(
    ("default", "used"), [("off", "on"), ("local", "on"), ("on", "on"), ("remote_apply", "remote_apply")]
)
def test_a_commit_waits_for_the_server_s_disk_whatever_the_server_s_default(
    postgres_url: str, default: str, used: str
) -> None:
    with closing(opened(f"{postgres_url}?options=-csynchronous_commit%3D{default}")) as db:
        assert show(db, "synchronous_commit") == used


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((PASSWORD, "hunter2"), "refuses the password"),
        ((f":{PASSWORD}", ""), "wants a password"),
        (("/test_", "/hunter2_no_test_"), "does not exist"),
        ((f"{ROLE}:", "somebody:"), "refuses the password"),
    ],
)
def test_who_is_not_let_in_reads_what_to_correct(postgres_url: str, change: tuple[str, str], words: str) -> None:
    url = postgres_url.replace(*change)
    with pytest.raises(StoreError, match=words) as caught:
        opened(url)

    assert PASSWORD not in str(caught.value)
    assert f"{at(url)}" in str(caught.value)


def test_a_user_that_does_not_exist_is_not_taken_for_a_missing_database(postgres_server: Server) -> None:
    url = postgres_server.url("postgres", by_socket=True).replace(f"{ROLE}@", "somebody@")

    assert "has no such user" in refused(url)


def test_where_nobody_listens_the_place_is_named() -> None:
    told = refused("postgresql://me:hunter2@127.0.0.1:1/calls")

    assert told.startswith('nobody listens: database "calls" on 127.0.0.1:1 as user "me" is not running')


def test_the_reason_of_each_host_that_was_tried_is_not_lost_among_the_others() -> None:
    told = refused("postgresql://me:hunter2@127.0.0.1:1,127.0.0.1:2/calls")

    assert "on 127.0.0.1:1, 127.0.0.1:2" in told
    assert "Connection refused" in told


def test_tls_that_the_server_does_not_offer_is_demanded_not_given_up(postgres_url: str) -> None:
    assert "offers no TLS" in refused(f"{postgres_url}?sslmode=require")


def test_a_value_that_libpq_does_not_take_is_told_as_libpq_tells_it(postgres_url: str) -> None:
    assert 'invalid sslmode value: "bogus"' in refused(f"{postgres_url}?sslmode=bogus")


def test_a_service_that_no_file_names_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    (tmp_path / "services").write_text("[other]\nhost=127.0.0.1\n")

    assert "does not have the service" in refused("postgresql:///?service=calls")


def test_a_connection_that_the_server_ends_says_so(postgres_server: Server, postgres_url: str) -> None:
    with closing(opened(postgres_url)) as db:
        with postgres_server.superuser() as su:
            su.execute("SELECT pg_terminate_backend(%s)", (db.info.backend_pid,))
        for words in ("ended the connection", "is closed"):
            with pytest.raises(psycopg.OperationalError) as caught:
                db.execute("SELECT 1")
            assert words in str(refusal(caught.value, at(postgres_url)))


def test_a_standby_and_then_a_server_that_is_gone_are_refused(server: Server) -> None:
    url = server.create_database()
    server.become_standby()

    assert "is a read-only standby: name the primary" in refused(url)
    assert "name the primary" in refused(f"{url}?target_session_attrs=read-write")
    server.kill()
    assert "nobody listens" in refused(url)


def test_a_server_that_is_too_old_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OLDEST", 99)

    assert "callrouter needs 99 or newer" in refused(postgres_url)


def test_a_statement_and_a_lock_that_take_too_long_are_given_up(postgres_url: str) -> None:
    with closing(opened(postgres_url)) as db, closing(opened(postgres_url)) as other:
        db.execute("SET statement_timeout = '20ms'")
        with pytest.raises(psycopg.errors.QueryCanceled) as slow:
            db.execute("SELECT pg_sleep(60)")
        assert "took too long" in str(refusal(slow.value, at(postgres_url)))

        db.execute("RESET statement_timeout")
        db.execute("SET lock_timeout = '20ms'")
        other.execute("CREATE TABLE kept ()")
        with other.transaction():
            other.execute("LOCK TABLE kept")
            with pytest.raises(psycopg.errors.LockNotAvailable) as locked:
                db.execute("SELECT * FROM kept")
        assert "is locked by somebody else" in str(refusal(locked.value, at(postgres_url)))


def test_a_right_that_is_missing_is_not_taken_for_something_else(postgres_url: str) -> None:
    with closing(opened(postgres_url)) as db:
        with pytest.raises(psycopg.Error) as denied:
            db.execute("SELECT * FROM pg_authid")
        with pytest.raises(psycopg.Error) as missing:
            db.execute("SELECT * FROM nowhere")

    assert "does not permit this" in str(refusal(denied.value, at(postgres_url)))
    assert str(refusal(missing.value, at(postgres_url))).endswith(
        'as user "callrouter": relation "nowhere" does not exist'
    )


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (psycopg.errors.DiskFull, DiskFull, "is full: nothing was kept of this step"),
        (psycopg.errors.DataCorrupted, StoreDamaged, "is damaged"),
        (psycopg.errors.TooManyConnections, StoreError, "takes no more connections"),
        (psycopg.errors.CannotConnectNow, StoreError, "is starting or shutting down"),
    ],
)
def test_what_a_test_cannot_bring_about_has_its_sentence(
    error: type[psycopg.Error], kind: type[StoreError], words: str
) -> None:
    found = refusal(error("said with hunter2"), at("postgresql://me:hunter2@db.example/calls"))

    assert type(found) is kind
    assert words in str(found)
    assert "hunter2" not in str(found)
