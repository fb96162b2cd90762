"""``callrouter doctor``: every fault that is put in is found, named and given a remedy; what is right is left alone."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from contextlib import closing

import pytest

from router.config import load
from router.doctor import machine, network, store
from router.store import State
from router.store.sqlite.store import SqliteStore

LINES = "UPDATE delivery SET "


@pytest.fixture
def findings(run):
    """Level and text of everything that doctor says about *what*."""

    def findings(what: str, *, least: str = "note") -> list[tuple[str, str]]:
        levels = ("ok", "note", "problem")
        found = run("doctor", "--json").json[0]["findings"]
        return [
            (one["level"], one["text"])
            for one in found
            if one["what"] == what and levels.index(one["level"]) >= levels.index(least)
        ]

    return findings


@pytest.fixture
def harm(config):
    def harm(*statements: str) -> None:
        with closing(sqlite3.connect(config.data / "store.sqlite")) as db, db:
            for statement in statements:
                db.execute(statement)

    return harm


def problems(found) -> list[str]:
    return [text for level, text in found if level == "problem"]


def test_a_right_installation_has_no_problem(run, played):
    played.call("missed")
    played.call("answered")
    played.attempt("crm", State.DEAD, "no")
    played.refuse()

    ran = run("doctor")

    assert ran.out.endswith("No problem was found.\n"), ran.out
    assert ran.code == 0
    for text in ("config.yaml is right", "every page and every index is whole", "no delivery is stranded",
                 "the counts are right", "a flush takes", "callrouter is not running"):  # fmt: skip
        assert text in ran.out


def test_before_the_first_start_there_is_nothing_wrong(run, config):
    ran = run("doctor")

    assert ran.code == 0
    assert "there is no store" in ran.out
    assert not config.data.exists()


def test_it_changes_nothing(run, played, config):
    played.call("missed")

    def digests():
        return {path: hashlib.sha256(path.read_bytes()).digest() for path in config.data.rglob("*") if path.is_file()}

    before = digests()
    run("doctor")

    assert {path: digest for path, digest in digests().items() if not path.name.endswith(("-wal", "-shm"))} == before


def test_it_works_beside_the_one_who_writes(run, played, config):
    played.call("missed")
    with closing(SqliteStore.open(config.data)) as writing, writing.transaction():
        writing.move_cursor("a", 1)

        assert run("doctor").code == 0


def test_a_wrong_configuration_is_a_problem_and_the_store_is_looked_at_all_the_same(run, played, folder):
    played.call("missed")
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text() + "wehn: 1\n")

    ran = run("doctor", "--json")

    assert ran.code == 3
    found = ran.json[0]["findings"]
    assert [one["what"] for one in found if one["level"] == "problem"] == ["configuration"]
    assert "every page and every index is whole" in [one["text"] for one in found]


def test_a_test_of_the_configuration_that_fails_is_a_problem(findings, config, folder):
    test = "tests: [{name: nobody hears of it, call: missed, expect: []}]\n"
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text() + test)

    assert problems(findings("configuration")) == ['its test "nobody hears of it" fails (1 in all)']


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("UPDATE delivery SET state = 2 WHERE state = 0", "wait behind nobody"),
        ("UPDATE delivery SET state = 2, call = NULL WHERE id = (SELECT min(id) FROM delivery)", "wait behind nobody"),
        ("UPDATE delivery SET state = 0, due_at = 1 WHERE state = 2", "two deliveries that are first"),
        ("UPDATE delivery SET state = 3 WHERE state = 0", "held by a dead letter that is not there"),
        ("UPDATE delivery SET due_at = NULL WHERE state = 0", "ready and have no due time"),
        ("UPDATE delivery SET state = 1 WHERE state = 0", "leased to nobody"),
        ("UPDATE tally SET n = n + 1", "the counts that status shows"),
        ("DELETE FROM tally", "the counts that status shows"),
        ("DELETE FROM event", "belong to something that is gone"),
    ],
)
def test_what_can_never_be_in_a_store_is_found(findings, played, harm, statement, text):
    played.call("missed")
    harm(statement)

    assert any(text in said for said in problems(findings("store")))


def test_a_damaged_page_is_found(findings, played, config):
    for _ in range(30):
        played.call("missed")
    path = config.data / "store.sqlite"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xa5" * 8192)

    assert problems(findings("store"))


def test_what_takes_too_long_is_given_up_and_said(played, config, monkeypatch):
    played.call("missed")
    monkeypatch.setattr(store, "_LOOK", 1)

    found = list(store.examine(config.data, patience=-1.0))

    assert {one.level for one in found if "SQLite" not in one.text} == {"note"}
    assert any("was not proved within" in one.text for one in found)


@pytest.mark.parametrize(
    ("version", "level"),
    [((3, 51, 3), "ok"), ((3, 51, 2), "note"), ((3, 50, 7), "ok"), ((3, 50, 6), "note"), ((3, 44, 6), "ok"),
     ((3, 45, 0), "note"), ((3, 40, 1), "note"), ((4, 0, 0), "ok")],
)  # fmt: skip
def test_versions_of_sqlite_that_can_lose_their_log_are_named(version, level):
    assert store._version_of_sqlite(version).level == level


def test_a_segment_that_is_no_database_is_a_problem(findings, config):
    (config.data / "inbox").mkdir(parents=True)
    (config.data / "inbox" / "a.sqlite").write_bytes(b"nonsense" * 1000)

    assert "a.sqlite cannot be read" in problems(findings("inbox"))[0]


def test_a_segment_that_is_not_the_one_that_was_routed_is_a_problem(findings, config):
    (config.data / "inbox").mkdir(parents=True)
    with closing(sqlite3.connect(config.data / "inbox" / "a.sqlite")) as db:
        db.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, received_at REAL)")
        db.execute("PRAGMA user_version = 1")
    with closing(SqliteStore.open(config.data)) as store_:
        store_.move_cursor("a", 7)

    assert "routed it up to 7" in problems(findings("inbox"))[0]


def test_a_clock_that_was_set_back_is_told_by_the_files(findings, played, config):
    played.call("missed")
    later = time.time() + 7200
    os.utime(config.data / "store.sqlite", (later, later))

    assert "2h" in problems(findings("clock"))[0]


def test_a_clock_that_was_never_set_is_a_problem(tmp_path):
    assert [one.level for one in machine.clock(tmp_path, 86400.0)] == ["problem"]


def test_a_disk_without_room_is_a_problem(findings, config, folder):
    (folder / "config.yaml").write_text("disk: {refuse_below: 900000GiB}\n" + (folder / "config.yaml").read_text())

    assert "events are refused" in problems(findings("disk"))[0]


def test_what_strangers_can_read_is_noted(findings, config, folder):
    config.data.mkdir()
    config.data.chmod(0o755)
    (folder / "token").write_text("sesame")
    (folder / "token").chmod(0o644)
    text = (folder / "config.yaml").read_text().replace("auth: none", 'auth: {token: "${file:token}"}')
    (folder / "config.yaml").write_text(text)

    said = [text for _, text in findings("rights")]

    assert len(said) == 2
    assert "sesame" not in "".join(said)
    (folder / "token").chmod(0o600)
    config.data.chmod(0o750)
    assert findings("rights") == []


def test_a_name_that_does_not_resolve_is_a_problem_and_an_address_needs_none(findings, config, folder):
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(
        text.replace(
            "destinations:\n",
            "destinations:\n"
            '  gone: {type: http, url: "https://nobody.invalid/hunter2"}\n'
            '  here: {type: http, url: "https://127.0.0.1/"}\n'
            '  through: {type: http, url: "https://elsewhere.invalid/", proxy: "http://localhost:3128"}\n',
        ).replace("always: [archive]", "always: [archive, gone, here, through]")
    )

    found = findings("name", least="ok")

    assert [(level, text.split(")")[0]) for level, text in found] == [
        ("problem", "nobody.invalid (gone"),
        ("ok", "localhost (through"),
    ]
    assert "hunter2" not in str(found)


def test_names_are_not_waited_for_longer_than_agreed(config, folder, monkeypatch):
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(
        text.replace("destinations:\n", 'destinations:\n  gone: {type: http, url: "https://nobody.invalid/"}\n')
    )
    monkeypatch.setattr(network, "_resolve", lambda *_: None)

    [found] = network.names(load(folder / "config.yaml"), patience=0.01)

    assert (found.level, "no answer within" in found.text) == ("problem", True)


def test_a_file_of_authorities_that_is_none_is_a_problem(findings, config, folder):
    (folder / "ca.pem").write_text("nonsense")
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("archive: {", "archive: {ca: ca.pem, "))

    assert "cannot be used" in problems(findings("certificate"))[0]


def test_a_process_that_is_down_is_a_problem(findings, config, daemon_says):
    daemon_says(version=config.version)
    assert findings("daemon", least="ok")[0][0] == "ok"

    path = config.data / "daemon.json"
    said = json.loads(path.read_text())
    said["processes"][0]["pid"] = None
    path.write_text(json.dumps(said))

    assert "without worker" in problems(findings("daemon"))[0]


def test_its_commands_name_a_configuration_that_is_not_where_it_is_looked_for(run, config, folder):
    text = (folder / "config.yaml").read_text()
    (folder / "other.yaml").write_text(text.replace("missed: true", "mised: true"))

    out = run("doctor", "--config", "other.yaml").out

    assert "→ callrouter check --config other.yaml\n" in out
    assert "→ callrouter run --config other.yaml\n" in out
