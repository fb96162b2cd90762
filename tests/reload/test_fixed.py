"""What a running daemon cannot change stays, is named, and opens no door."""

from __future__ import annotations

from dataclasses import replace

import pytest

from router.config import Address
from router.errors import ConfigError
from router.location import PostgresAt, SqliteAt
from router.reload.fixed import keeping, said, waits_for_restart
from router.secret import Secret

OPEN = Address("0.0.0.0", 8080)


def test_the_new_values_of_fixed_keys_are_named_and_left_alone(write, tmp_path):
    running = write()
    elsewhere = tmp_path / "elsewhere"
    new = replace(write("two", port=9090), store=SqliteAt(elsewhere), data=elsewhere)

    assert waits_for_restart(new, running) == ("listen", "store")
    kept = keeping(new, running)
    assert (kept.listen, kept.store, kept.data, kept.version) == (
        running.listen,
        running.store,
        running.data,
        new.version,
    )
    assert waits_for_restart(kept, running) == ()


def test_on_a_shared_database_the_folder_the_name_and_the_spool_of_a_machine_wait_as_well(write, tmp_path):
    database = PostgresAt(Secret("postgresql://db.example/calls"))
    running = replace(write(), store=database, node="one")
    new = replace(running, data=tmp_path / "elsewhere", node="two", spool=True)

    assert waits_for_restart(new, running) == ("data", "node", "spool")
    assert keeping(new, running) == running
    moved = replace(running, store=PostgresAt(Secret("postgresql://other.example/calls")))
    assert waits_for_restart(moved, running) == ("store",)
    assert waits_for_restart(running, write()) == ("store",)


def test_a_source_without_auth_is_not_opened_to_strangers_until_the_restart(write):
    guarded = write(**{"wavix: {}": "wavix: {auth: {token: a}}"})
    running = replace(guarded, listen=OPEN)

    with pytest.raises(ConfigError, match='"wavix" has no auth, and listen is 0'):
        keeping(write(), running)


def test_a_source_that_was_open_before_stays_so(write):
    running = replace(write(), listen=OPEN)

    assert keeping(write("two"), running).listen == OPEN


def test_what_waits_is_said_in_one_sentence():
    assert said(("listen",)) == "listen changed: it takes effect at the next start"
    assert said(("listen", "store")) == "listen and store changed: they take effect at the next start"
