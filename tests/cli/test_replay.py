"""Sending again, and taking in what was refused."""

from __future__ import annotations

import getpass
import io

import pytest

from router.commands.file import CommandFile
from router.store import State


@pytest.fixture
def dead(played) -> list[int]:
    for n in range(3):
        played.call("missed", at=1_760_000_000 + 1000 * n)
    return sorted(played.attempt("crm", State.DEAD, "crm answered 404"))


def all_of(dead: list[int]) -> dict:
    """What is recorded where all dead letters are meant."""
    return {"where": {"state": "dead"}, "after": dead[0] - 1, "to": dead[-1], "expected": len(dead)}


def test_all_dead_letters_are_recorded_oldest_first(run, dead, recorded):
    ran = run("replay", "--yes")

    assert ran.code == 0
    assert recorded() == [("replay", all_of(dead))]
    assert "3 deliveries will be sent again." in ran.err
    assert "it carries this out when it starts" in ran.err


def test_a_running_daemon_is_said_to_do_it_now(run, dead, daemon_says):
    daemon_says()

    assert "The running daemon carries it out now." in run("replay", "--yes").err


def test_a_daemon_that_only_receives_is_not_said_to_do_it_now(run, dead, daemon_says):
    daemon_says(name="daemon-ingest.json")

    assert "it carries this out when it starts" in run("replay", "--yes").err


def test_a_dry_run_lists_and_changes_nothing(run, dead, recorded):
    ran = run("replay", "--dry-run")

    assert ran.code == 0
    assert ran.out.count("crm answered 404") == 3
    assert "3 deliveries would be sent again" in ran.err
    assert recorded() == []


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--destination", "crm"], 3),
        (["--destination", "archive"], 0),
        (["--state", "delivered"], 0),
        (["--rule", "missed"], 3),
        (["--since", "1h"], 0),
        (["--event", "1"], 0),
        (["--source", "phone"], 3),
        (["--until", "1h"], 3),
        (["--until", "2020-01-01T00:00:00Z"], 0),
        (["--since", "2020-01-01T00:00:00Z"], 3),
        (["--status", "dead"], 3),
        (["--silence", "5"], 0),
        (["--limit", "2"], 2),
        (["--limit", "9"], 3),
    ],
)
def test_what_is_sent_again_can_be_chosen(run, dead, recorded, arguments, count):
    assert run("replay", "--yes", *arguments).code == 0
    assert sum(arguments["expected"] for _, arguments in recorded()) == count


def test_a_dry_run_counts_by_destination_and_state_and_shows_the_oldest_first(run, played, dead, recorded):
    played.attempt("archive", State.DEAD, "archive is full")

    ran = run("replay", "--dry-run")

    assert ran.code == 0
    assert "archive dead: 3, crm dead: 3" in ran.err
    assert ran.out.splitlines()[1].split()[0] == "1"
    assert recorded() == []


def test_a_rate_is_recorded_and_what_it_means_is_said(run, dead, recorded):
    ran = run("replay", "--yes", "--rate", "60/m")

    assert "3 deliveries (at 60/m, over 2s) will be sent again." in ran.err
    assert recorded()[0][1]["rate"] == "60/m"


def test_an_impossible_rate_is_refused(run, dead, recorded):
    ran = run("replay", "--yes", "--rate", "fast")

    assert ran.code == 2
    assert "10/s or 60/m" in ran.err
    assert recorded() == []


@pytest.mark.parametrize("arguments", [["1", "--state", "dead"], ["1", "--rule", "x"], ["--rejected", "--rate", "1/s"]])
def test_a_replay_that_says_two_things_is_refused(run, dead, recorded, arguments):
    assert run("replay", "--yes", *arguments).code == 2
    assert recorded() == []


def test_a_moment_without_a_zone_is_refused(run, dead, recorded):
    ran = run("replay", "--since", "2026-01-04T10:00", "--yes")

    assert ran.code == 2
    assert "a moment with its zone" in ran.err


def test_deliveries_are_sent_again_by_their_numbers(run, dead, recorded):
    assert run("replay", "--yes", dead[2], dead[0]).code == 0
    assert recorded() == [("replay", {"deliveries": [dead[0], dead[2]], "expected": 2})]


def test_what_has_not_ended_is_left_alone_and_said(run, dead, recorded):
    ran = run("replay", "--yes", "1", dead[0])

    assert ran.code == 3
    assert "there is no delivery 1 that has ended" in ran.err
    assert recorded() == [("replay", {"deliveries": [dead[0]], "expected": 1})]


def test_without_anybody_to_ask_it_wants_yes(run, dead, recorded):
    ran = run("replay")

    assert ran.code == 2
    assert "--yes" in ran.err
    assert recorded() == []


def test_who_asked_is_kept(run, dead, config):
    run("replay", "--yes")

    assert CommandFile(config.data).after(0)[0].who == getpass.getuser()


def test_refused_events_are_taken_in_by_their_numbers(run, played, recorded):
    numbers = [played.refuse() for _ in range(3)]

    ran = run("replay", "--rejected", "--yes", *numbers[:2])

    assert ran.code == 0
    assert recorded() == [("readmit", {"quarantined": numbers[:2], "expected": 2})]
    assert "2 refused events will be taken in if the source may send it now" in ran.err


def test_all_refused_events_are_taken_in(run, played, recorded):
    numbers = [played.refuse() for _ in range(3)]

    run("replay", "--rejected", "--yes")

    assert recorded() == [("readmit", {"quarantined": numbers, "expected": 3})]


def test_what_was_taken_in_before_is_not_taken_in_again(run, played, recorded):
    first, second = played.refuse(), played.refuse()
    played.take_in(first)

    run("replay", "--rejected", "--yes", first, second)

    assert recorded() == [("readmit", {"quarantined": [second], "expected": 1})]


def test_a_refused_event_that_is_not_there_is_said(run, played, recorded):
    played.refuse()

    ran = run("replay", "--rejected", "--yes", "99")

    assert ran.code == 3
    assert "there is no refused event 99" in ran.err
    assert recorded() == []


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (
            ["pause", "crm", "--reason", "their disk is full"],
            ("pause", {"destination": "crm", "reason": "their disk is full"}),
        ),
        (["resume", "crm"], ("resume", {"destination": "crm"})),
        (["give-up", "crm", "--yes"], ("give-up", {"destination": "crm"})),
    ],
)
def test_what_an_operator_wants_of_a_destination_is_recorded(run, played, recorded, arguments, command):
    played.call("missed")

    ran = run(*arguments)

    assert ran.code == 0
    assert recorded() == [command]
    assert "Recorded as command 1." in ran.err


@pytest.mark.parametrize("arguments", [["pause"], ["resume"], ["give-up", "--yes"]])
def test_a_misspelt_destination_is_not_recorded(run, played, recorded, arguments):
    played.call("missed")

    ran = run(*arguments, "cmr")

    assert ran.code == 2
    assert 'No destination is called "cmr"; did you mean "crm"?' in ran.err
    assert recorded() == []


def test_a_destination_that_the_configuration_dropped_can_still_be_given_up(run, played, folder, recorded):
    played.call("missed")
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("  crm: {", "  sales: {").replace("[crm]", "[sales]"))

    assert run("give-up", "crm", "--yes").code == 0
    assert recorded() == [("give-up", {"destination": "crm"})]


class Terminal(io.StringIO):
    """An operator who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("arguments", [["replay"], ["give-up", "crm"]])
def test_who_says_no_changes_nothing(run, dead, recorded, monkeypatch, arguments):
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))

    ran = run(*arguments)

    assert ran.code == 3
    assert "Nothing was changed." in ran.err
    assert recorded() == []


def test_who_says_yes_is_obeyed(run, dead, recorded, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))

    assert run("replay").code == 0
    assert recorded() == [("replay", all_of(dead))]
