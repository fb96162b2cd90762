"""Acting on deliveries and destinations: cancel, drain, and who did what."""

from __future__ import annotations

import getpass
import re
import time

import pytest

from router.store import CommandRow, State
from router.store.sqlite.store import SqliteStore
from tests.cli.test_replay import Terminal


@pytest.fixture
def waiting(played) -> list[int]:
    """Three deliveries to crm that wait, among others."""
    for n in range(3):
        played.call("missed", at=1_760_000_000 + 1000 * n)
    return sorted(played.attempt("crm", State.READY, "busy", due=4e9))


@pytest.fixture
def carry_out(config):
    """Writes a result as the worker would."""

    def carry_out(*rows: CommandRow) -> None:
        store = SqliteStore.open(config.data)
        for row in rows:
            store.note_command(row)
        store.close()

    return carry_out


# Cancel --------------------------------------------------------------------------------------------------------------


def test_what_waits_for_a_destination_is_cancelled_by_filter(run, waiting, recorded):
    ran = run("cancel", "--destination", "crm", "--reason", "too late", "--yes")

    assert ran.code == 0
    assert "busy" in ran.out
    [(action, arguments)] = recorded()
    assert (action, arguments["where"], arguments["reason"]) == (
        "cancel",
        {"destination": "crm", "unfinished": True},
        "too late",
    )
    assert (arguments["after"], arguments["to"], arguments["expected"]) == (waiting[0] - 1, waiting[-1], 3)


def test_a_few_deliveries_are_cancelled_by_their_numbers_without_a_question(run, waiting, recorded):
    assert run("cancel", waiting[1]).code == 0
    assert recorded() == [("cancel", {"deliveries": [waiting[1]], "expected": 1})]


def test_what_does_not_wait_is_not_cancelled_and_said(run, played, waiting, recorded):
    [ended] = played.attempt("archive", State.DELIVERED)[:1]

    ran = run("cancel", ended, waiting[0])

    assert ran.code == 3
    assert f"there is no delivery {ended} that waits" in ran.err
    assert recorded() == [("cancel", {"deliveries": [waiting[0]], "expected": 1})]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Say which: IDs, or an option that chooses"),
        (["--limit", "5"], "Say which"),
        (["1", "--destination", "crm"], "Choose by ID or by options, not by both."),
        (["--destination", "crm"], "say --yes"),
    ],
)
def test_cancel_guesses_nothing(run, waiting, recorded, arguments, told):
    ran = run("cancel", *arguments)

    assert ran.code == 2
    assert told in ran.err
    assert recorded() == []


def test_a_dry_run_cancels_nothing(run, waiting, recorded):
    ran = run("cancel", "--destination", "crm", "--dry-run")

    assert ran.code == 0
    assert "3 deliveries would be cancelled; nothing was changed." in ran.err
    assert recorded() == []


def test_who_does_not_agree_cancels_nothing(run, waiting, recorded, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))

    assert run("cancel", "--destination", "crm").code == 3
    assert recorded() == []


# Drain ---------------------------------------------------------------------------------------------------------------


def test_a_drain_is_recorded_with_its_reason(run, waiting, recorded):
    assert run("drain", "crm", "--reason", "it moves").code == 0
    assert recorded() == [("drain", {"destination": "crm", "reason": "it moves"})]


def test_a_daemon_that_does_not_run_is_not_ended(run, config, recorded):
    ran = run("drain")

    assert ran.code == 1
    assert "the daemon is not running: there is nothing to end" in ran.err
    assert recorded() == []


def test_status_says_what_drains_and_what_waits_for_it(run, config, waiting):
    store = SqliteStore.open(config.data)
    store.drain("crm", "it moves", time.time())
    store.close()

    out = " ".join(run("status").out.split())

    assert re.search("crm 3 .*draining .*: it moves", out)
    assert '"crm" is being drained and takes nothing new (it moves); 3 deliveries still wait.' in out
    assert "callrouter resume crm" in out


# Who did what --------------------------------------------------------------------------------------------------------


def test_what_operators_did_is_listed_with_who_what_and_the_result(run, waiting, carry_out):
    run("pause", "crm", "--reason", "their disk is full")
    run("cancel", "--destination", "crm", "--yes")
    run("replay", "--state", "delivered", "--rate", "5/s", "--yes")
    carry_out(CommandRow(1, 1.0, 2.0, "paused crm"), CommandRow(2, 3.0, progress={"asked": 1200}))

    ran = run("commands")

    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert f"{getpass.getuser()} cancel --destination crm 1,200 so far" in lines[1]
    assert "pause crm (their disk is full) 1970-01-01 paused crm" in lines[2]


def test_one_command_is_shown_in_full(run, waiting, carry_out):
    run("cancel", *waiting)
    carry_out(CommandRow(1, 1.0, 2.0, "cancelled 3 deliveries"))

    ran = run("commands", "1")

    assert ran.code == 0
    assert f"cancel {' '.join(map(str, waiting))}" in ran.out
    assert "cancelled 3 deliveries" in ran.out
    assert run("commands", "9").code == 3


def test_commands_are_told_to_scripts(run, waiting, carry_out):
    run("cancel", waiting[0])
    run("pause", "crm")
    carry_out(CommandRow(1, 1.0, 2.0, "cancelled 1 delivery", {"done": 1}))

    [second, first] = run("commands", "--json").json

    assert (first["action"], first["what"], first["result"], first["changed"]) == (
        "cancel",
        f"cancel {waiting[0]}",
        "cancelled 1 delivery",
        1,
    )
    assert (second["carried_out_at"], second["result"]) == (None, None)


def test_what_waits_for_the_first_start_of_a_daemon_is_listed(run, config, recorded):
    config.data.mkdir()
    run("pause", "crm")

    assert "waits" in run("commands").out


# Waiting for it ------------------------------------------------------------------------------------------------------


def test_who_waits_hears_the_result(run, waiting, daemon_says, carry_out):
    daemon_says()
    carry_out(CommandRow(1, 1.0, 2.0, "paused crm"))

    ran = run("pause", "crm", "--wait")

    assert ran.code == 0
    assert "Paused crm." in ran.err


def test_who_pipes_does_not_wait(run, waiting, daemon_says):
    daemon_says()

    assert run("pause", "crm").code == 0


def test_without_a_daemon_nobody_waits(run, waiting):
    ran = run("pause", "crm", "--wait")

    assert ran.code == 0
    assert "it carries this out when it starts" in ran.err
