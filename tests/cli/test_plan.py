"""What a new configuration would have done with the events that are stored."""

from __future__ import annotations

import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest


@pytest.fixture
def week(played):
    """A missed call of two days ago and an answered one of yesterday."""
    now = time.time()
    return [played.call("missed", at=now - 2 * 86400), played.call("answered", at=now - 86400)]


@pytest.fixture
def new(config, folder):
    """Writes new.yaml: the configuration with changes."""

    def new(*changes: tuple[str, str]) -> str:
        text = (folder / "config.yaml").read_text()
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (folder / "new.yaml").write_text(text)
        return "new.yaml"

    return new


LOSES = ("{missed: true}", "{missed: true, tag: sales}")


def test_lost_deliveries_are_shown_with_their_rule_and_an_example(run, week, new):
    ran = run("plan", new(LOSES))

    assert (ran.code, ran.err) == (0, "")
    assert "7 events from " in ran.out
    assert "under new.yaml against config.yaml: 0 gained, 1 lost, 9 unchanged." in ran.out
    assert "crm          missed        0    -1          0\n" in ran.out
    assert f"call_ended  +447700900123  +442079460958  {week[0]}\n" in ran.out


def test_a_configuration_that_changes_nothing_has_no_examples(run, week, new):
    ran = run("plan", new())

    assert "0 gained, 0 lost, 10 unchanged." in ran.out
    assert "Examples" not in ran.out


def test_another_rule_for_the_same_delivery_is_said(run, week, new):
    assert "1 delivery to crm is asked for by never-answered instead of missed." in run(
        "plan", new(("name: missed", "name: never-answered"))
    ).out.replace("\n", " ")


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ("lost>0", 3),
        ("lost>1", 0),
        ("lost>=1", 3),
        ("lost=1", 3),
        ("gained>0", 0),
        ("changed > 0", 3),
        ("changed=0", 0),
    ],
)
def test_a_pipeline_fails_when_a_limit_holds(run, week, new, limit, code):
    ran = run("plan", new(LOSES), "--fail-if", limit)

    assert ran.code == code
    assert ran.err == (f"callrouter: {limit}: 0 gained, 1 lost, 9 unchanged.\n" if code else "")


def test_several_limits_are_all_asked(run, week, new):
    assert run("plan", new(LOSES), "--fail-if", "gained>0", "--fail-if", "lost>0").code == 3


@pytest.mark.parametrize("limit", ["lost", "lost>x", "found>0", "lost<1"])
def test_a_limit_that_is_none_is_a_wrong_command_line(run, config, new, limit):
    ran = run("plan", new(), "--fail-if", limit)

    assert ran.code == 2
    assert "is no limit; write for example lost>0" in ran.err


def test_only_the_window_counts(run, week, new):
    assert "4 events from" in run("plan", new(LOSES), "--since", "36h").out
    assert "3 events from" in run("plan", new(LOSES), "--until", "36h").out
    assert run("plan", new(), "--since", "1h", "--until", "2h").code == 2


def test_a_call_that_was_under_way_when_the_window_begins_is_known(run, played, new):
    played.call("answered", at=time.time() - 3600 - 60)
    first = ("{event_type: ringing, direction: inbound}", "{first: true}")
    (document,) = run("plan", new(first), "--since", "1h", "--format", "json").json

    assert (document["events"], document["gained"]) == (1, 0)


def test_a_window_without_events_proves_nothing(run, week, new):
    ran = run("plan", new(LOSES), "--since", "1h")
    gate = run("plan", "new.yaml", "--since", "1h", "--fail-if", "lost>0")

    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("No event was received from ")
    assert gate.code == 3


def test_without_a_store_there_is_nothing_to_compare_with(run, config, new):
    ran = run("plan", new())

    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith("callrouter: no store in ")


def test_mistakes_of_the_new_configuration_are_told_as_check_tells_them(run, week, new):
    ran = run("plan", new(("when:", "wehn:")))

    assert (ran.code, ran.out) == (2, "")
    assert 'new.yaml:15:5: unknown key "wehn" in rule "missed"; did you mean "when"?' in ran.err


def test_the_difference_is_there_for_scripts(run, week, new):
    (document,) = run("plan", new(LOSES), "--format", "json", "--fail-if", "lost>0").json

    assert {name: document[name] for name in ("events", "gained", "lost", "unchanged", "failed")} == {
        "events": 7, "gained": 0, "lost": 1, "unchanged": 9, "failed": ["lost>0"],
    }  # fmt: skip
    lost = next(row for row in document["rows"] if row["lost"])
    assert (lost["destination"], lost["rule"]) == ("crm", "missed")
    assert [(one["change"], one["type"], one["call"]) for one in lost["examples"]] == [("lost", "call_ended", week[0])]


def test_a_call_counts_with_those_of_its_day_before_the_time_that_is_looked_at(run, played, new):
    noon = datetime.now(ZoneInfo("Europe/London")).replace(hour=12, minute=0, second=0, microsecond=0).timestamp()
    noon -= 2 * 86400
    for hours in (-11, 0, 1):
        played.call("missed", at=noon + hours * 3600)
    path = new(("{missed: true}", "{missed: true, calls_today: {lt: 3}}"))

    ran = run("plan", path, "--since", f"{round(time.time() - noon - 1800)}s", "--format", "json")

    (document,) = ran.json
    assert (document["events"], document["lost"]) == (3, 1)


@pytest.mark.parametrize("number", [0, 2])
def test_the_number_of_examples_is_chosen(run, week, new, number):
    path = new(("always: [archive]", "always: [pager]"))
    (document,) = run("plan", path, "--examples", number, "--format", "json").json
    examples = {(row["destination"], row["rule"]): len(row["examples"]) for row in document["rows"]}

    assert examples["archive", "always:"] == examples["pager", "always:"] == number
