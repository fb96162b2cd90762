"""Migrations: applied once, whole or not at all, and ending in the schema a new store has."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from router.errors import StoreError
from router.store.migration import Migration, migrations
from router.store.sqlite.migrate import SQLITE, migrate, version


@pytest.fixture
def db(tmp_path: Path):
    db = sqlite3.connect(tmp_path / "any.sqlite", isolation_level=None)
    yield db
    db.close()


FIRST = Migration(1, "first", "CREATE TABLE a (x);")
SECOND = Migration(2, "second", "ALTER TABLE a ADD COLUMN y; CREATE INDEX a_y ON a (y);")
BROKEN = Migration(2, "broken", "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1);")


def _schema(db):
    return db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()


@pytest.mark.parametrize("start", range(len(migrations(SQLITE)) + 1))
def test_a_store_of_any_earlier_format_ends_with_the_schema_of_a_new_one(db, start):
    steps = migrations(SQLITE)
    migrate(db, steps[:start])
    migrate(db, steps)

    fresh = sqlite3.connect(":memory:", isolation_level=None)
    migrate(fresh)
    assert _schema(db) == _schema(fresh)
    assert version(db) == len(steps)
    fresh.close()


def test_each_step_is_applied_once(db):
    migrate(db, [FIRST])
    migrate(db, [FIRST, SECOND])
    migrate(db, [FIRST, SECOND])

    assert db.execute("SELECT number, name FROM migration").fetchall() == [(1, "first"), (2, "second")]


def test_a_step_that_fails_leaves_the_format_before_it(db):
    with pytest.raises(sqlite3.Error):
        migrate(db, [FIRST, BROKEN])

    assert version(db) == 1
    assert [name for _, name, _ in _schema(db)] == ["a", "migration"]
    migrate(db, [FIRST, SECOND])
    assert version(db) == 2


def test_a_newer_format_is_refused(db):
    migrate(db, [FIRST, SECOND])

    with pytest.raises(StoreError, match="format 2 and this callrouter knows formats up to 1"):
        migrate(db, [FIRST])


def test_a_database_of_another_program_is_left_alone(db):
    db.execute("CREATE TABLE theirs (x)")

    with pytest.raises(StoreError, match="belongs to another program"):
        migrate(db, [FIRST])
    assert [name for _, name, _ in _schema(db)] == ["theirs"]


@pytest.mark.parametrize("names", [["0002_x.sql"], ["0001_a.sql", "0003_b.sql"], ["first.sql"]])
def test_a_gap_in_the_numbers_is_a_mistake(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("")

    with pytest.raises(ValueError, match="is not the migration that follows"):
        migrations(tmp_path)
