"""`callrouter status` as an operator and a script see it."""

from __future__ import annotations

import time

import pytest

from router.store import State


def test_all_is_well_with_a_running_daemon(run, config, played, daemon_says):
    played.call("missed")
    played.attempt("archive", State.DELIVERED)
    played.attempt("archive", State.DELIVERED)
    played.attempt("archive", State.DELIVERED)
    played.attempt("crm", State.DELIVERED)
    daemon_says(version=config.version)

    ran = run("status")

    assert ran.out.startswith("All is well.")
    assert ran.code == 0
    assert "worker" in ran.out
    assert f"version {config.version} of config.yaml" in ran.out
    assert "What to do" not in ran.out


def test_it_works_before_the_daemon_ever_ran_and_says_so(run, config):
    ran = run("status")

    assert ran.code == 3
    assert ran.out.startswith("1 thing needs you: callrouter is not running (it never has on this data).")
    assert "       callrouter run\n" in ran.out
    assert "nothing from phone yet" in ran.out


def test_it_shows_the_last_alerts_and_who_was_told(run, write_config, folder, played):
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("alerts: none", "alerts: [archive, pager]"))
    played.alert("dead_letter", "crm", "crm.example answered 422")

    ran = run("status")
    document = run("status", "--json").json[0]

    text = " ".join(ran.out.split())
    assert "Alerts to archive, pager (disabled: PAGER_URL is not set)" in text
    assert "1 dead letter at crm: crm.example answered 422. See: callrouter deliveries" in text
    assert "(archive ready)" in text
    assert document["alerts"][0]["told"] == {"archive": "ready"}
    assert document["alerts"][0]["made_at"].endswith("Z")


def test_it_says_that_nobody_is_told_of_alerts(run, config):
    assert "Alerts        none: nobody is told" in run("status").out


def test_it_works_while_the_daemon_is_stopped_and_says_so(run, played):
    played.call("missed")

    ran = run("status")

    assert ran.code == 3
    assert "stopped" in ran.out


def test_everything_that_is_wrong_is_numbered_with_its_command(run, config, played, daemon_says):
    played.call("missed")
    played.attempt("crm", State.DEAD, "404")
    played.pause("archive", "the disk is full")
    played.refuse(at=time.time())
    daemon_says(version=config.version)

    ran = run("status")

    assert ran.code == 3
    assert ran.out.startswith("3 things need you:")
    todo = ran.out.partition("What to do")[2]
    assert "callrouter replay --destination crm" in todo
    assert "callrouter resume archive" in todo
    assert "callrouter events --rejected" in todo


def test_a_disabled_destination_says_why_and_alarms_nobody(run, config, played, daemon_says):
    played.call("busy")
    played.attempt("archive", State.DELIVERED)
    played.attempt("archive", State.DELIVERED)
    daemon_says(version=config.version)

    ran = run("status")

    assert ran.code == 0, ran.out
    assert "disabled: " in ran.out
    assert "PAGER_URL" in ran.out


def test_a_delivery_that_waits_for_its_next_attempt_is_not_overdue(run, played):
    played.call("missed")
    played.attempt("crm", State.READY, "crm answered 503", due=time.time() + 900)

    (crm,) = (one for one in run("status", "--json").json[0]["destinations"] if one["name"] == "crm")

    assert (crm["waiting"], crm["overdue_since"]) == (1, None)


def test_a_destination_whose_deliveries_fail_says_how(run, played):
    played.call("missed")
    played.attempt("crm", State.READY, "crm.example answered 503", due=time.time() + 900)

    out = run("status").out

    (crm,) = (line for line in out.splitlines() if line.split()[:1] == ["crm"])
    (archive,) = (line for line in out.splitlines() if line.split()[:1] == ["archive"])
    assert crm.endswith("on, trying again: crm.example answered 503")
    assert archive.endswith("on")


@pytest.mark.parametrize(
    ("text", "todo"),
    [("rules: [", "Mend the file to see more, or ask: callrouter doctor"), (None, "Put the file back to see more")],
)
def test_a_daemon_that_runs_is_told_of_beside_a_spoiled_configuration(run, config, daemon_says, text, todo):
    daemon_says(version=config.version)
    config.path.unlink()
    if text is not None:
        config.path.write_text(text)

    ran = run("status")

    assert (ran.code, ran.out) == (2, "")
    assert f"goes on with version {config.version}, which it has read before. {todo}\n" in ran.err
    assert "config.yaml:1:" in ran.err


def test_json_says_the_same(run, played):
    played.call("missed")

    ran = run("status", "--json")

    (document,) = ran.json
    assert ran.code == 3
    assert document["well"] is False
    assert document["delivering"] is False
    assert document["sources"]["phone"].endswith("Z")
    assert {one["name"]: one["waiting"] for one in document["destinations"]} == {"archive": 3, "crm": 1, "pager": 0}
    assert document["troubles"][0]["command"] == "callrouter run"
    assert document["disk"]["free"] > 0
