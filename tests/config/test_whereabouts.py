"""A store is a folder or a database; a machine that shares a database has a folder and a name of its own."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest

from router.config import Config
from router.location import PostgresAt, SqliteAt
from router.secret import Secret
from tests.config.conftest import Write


def at(config: Config) -> PostgresAt:
    assert isinstance(config.store, PostgresAt)
    return config.store


def test_a_store_in_a_folder_is_this_machine_s_own(config: Write, tmp_path: Path) -> None:
    usual, other = config(""), config("store: sqlite:elsewhere")

    assert (usual.store, usual.data) == (SqliteAt(tmp_path / "data"), tmp_path / "data")
    assert (other.store, other.data) == (SqliteAt(tmp_path / "elsewhere"), tmp_path / "elsewhere")
    assert (usual.node, usual.spool) == (None, False)


def test_beside_a_database_a_machine_has_a_folder_and_a_name(config: Write, tmp_path: Path) -> None:
    usual = config("store: postgresql://db.example/calls")
    own = config("store: postgres://db.example/calls\ndata: own\nnode: london-1.example\nspool: false")

    assert usual.data == tmp_path / "data"
    assert usual.node
    assert not usual.spool
    assert (own.data, own.node, own.spool) == (tmp_path / "own", "london-1.example", False)


@pytest.mark.parametrize(
    ("host", "node"),
    [("london-1", "london-1"), ("my_host.example", "my-host.example"), ("x" * 64, "x" * 63), ("_", "node")],
)
def test_a_machine_is_called_what_its_host_is_as_far_as_that_is_a_name(
    config: Write, monkeypatch: pytest.MonkeyPatch, host: str, node: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)

    assert config("store: postgresql:///calls").node == node


def test_a_url_says_everything_that_libpq_takes(config: Write) -> None:
    url = "postgresql:///?service=calls&sslmode=verify-full&passfile=/etc/pass&application_name=x&target_session_attrs=any"
    said = at(config(f"store: {url}")).parameters()

    assert said["service"] == "calls"
    assert said["sslmode"] == "verify-full"
    assert said["passfile"] == "/etc/pass"


def test_a_password_may_come_from_a_variable_or_a_file(config: Write, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")

    by_variable = config("store: postgresql://me:${PW}@db.example/calls", {"PW": "hunter2"})
    by_file = config("store: postgresql://me:${file:password}@db.example/calls")

    assert at(by_variable).parameters()["password"] == at(by_file).parameters()["password"] == "hunter2"


def test_a_password_is_in_no_text_of_a_configuration(config: Write) -> None:
    loaded = config("store: postgresql://me:hunter2@db.example:5433/calls")

    assert "hunter2" not in f"{loaded!r} {loaded.store} {dataclasses.asdict(loaded.store)} {loaded.warnings}"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://me:hunter2@db.example:5433/calls", 'database "calls" on db.example:5433 as user "me"'),
        ("postgresql://one,two/calls", 'database "calls" on one, two'),
        ("postgresql://one:1,two:2/calls", 'database "calls" on one:1, two:2'),
        ("postgresql:///?service=calls", "the database of service \"calls\""),
        ("postgresql:///calls?host=/run/postgresql", 'database "calls" on /run/postgresql'),
        ("postgresql:///calls?password=hunter2", 'database "calls"'),
    ],
)  # fmt: skip
def test_where_a_database_is_can_be_said_aloud(url: str, words: str) -> None:
    assert str(PostgresAt(Secret(url))) == words


def test_a_mistake_elsewhere_in_the_line_of_a_url_does_not_show_its_password(mistakes, tmp_path: Path) -> None:
    """Excerpts are of whole lines, and a password may stand in one whose host is a variable."""
    told = mistakes("store: postgresql://me:hunter2@${NO_SUCH_HOST}/calls")

    assert told
    assert "hunter2" not in "\n".join(told)
