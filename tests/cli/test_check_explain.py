"""Asking what a configuration is worth, and what it would do."""

from __future__ import annotations

import json

import pytest

from router import samples


def event(folder, kind: str, **fields: object) -> str:
    sent = {timed.event["event_type"]: timed.event for timed in samples.play("missed", started_at=1_760_000_000)}
    (folder / "event.json").write_text(json.dumps({**sent[kind], **fields}))
    return "event.json"


def test_a_right_configuration_is_summed_up_in_one_line(run, config):
    ran = run("check")

    assert ran.code == 0
    assert "1 source, 2 destinations (1 more disabled), 2 rules." in ran.out
    assert "pager is disabled: " in ran.out


def test_every_mistake_is_told_with_its_place(run, config, folder):
    text = (folder / "config.yaml").read_text().replace("when:", "wehn:").replace("type: file", "type: flie", 1)
    (folder / "config.yaml").write_text(text)

    ran = run("check")

    assert (ran.code, ran.out) == (2, "")
    assert "config.yaml:10:19: " in ran.err
    assert '"wehn"' in ran.err
    assert '"flie"' in ran.err
    assert "^" in ran.err


def test_the_check_is_there_for_scripts(run, config, folder):
    (right,) = run("check", "--json").json
    (folder / "config.yaml").write_text("listen: 1\n")
    wrong = run("check", "--json")

    assert right["ok"]
    assert [one["name"] for one in right["destinations"]] == ["archive", "crm", "pager"]
    assert wrong.code == 2
    assert not wrong.json[0]["ok"]
    assert {"file", "line", "column", "text", "hint"} <= {*wrong.json[0]["problems"][0]}


def test_every_rule_is_explained_with_what_it_wants_and_what_the_event_has(run, config, folder):
    ran = run("explain", event(folder, "ringing"))

    assert ran.code == 0
    assert 'rule "missed" does not match' in ran.out
    assert 'rule "ringing" matches' in ran.out
    assert "yes  event_type: ringing" in ran.out
    assert "→ archive, by always:" in ran.out
    assert "→ not pager: it is disabled" in ran.out


def test_an_event_that_ends_its_call_is_explained_with_the_call_ended_that_follows(run, config, folder):
    ran = run("explain", event(folder, "completed"))

    assert "Event call_ended" in ran.out
    assert '→ crm, by rule "missed"' in ran.out


@pytest.mark.parametrize(
    ("kind", "expect", "code"),
    [
        ("completed", "crm,archive", 0),
        ("completed", "archive", 3),
        ("completed", "archive,crm,pager", 3),
        ("call_setup", " archive ", 0),
        ("ringing", "archive", 0),
        ("call_setup", "", 3),
    ],
)
@pytest.mark.usefixtures("config")
def test_an_expectation_holds_exactly_or_fails(run, folder, kind, expect, code):
    ran = run("explain", event(folder, kind), "--expect", expect)

    assert ran.code == code
    assert ("would hear of it" in ran.err) == (code == 3)


def test_explaining_is_there_for_scripts(run, config, folder):
    (document,) = run("explain", event(folder, "completed"), "--json").json

    assert document["sends"] == ["archive", "crm"]
    assert [one["type"] for one in document["events"]] == ["completed", "call_ended"]
    assert document["events"][1]["rules"][0]["matched"] is True


def test_an_event_that_would_be_refused_is_answered_with_no_and_its_faults(run, config, folder):
    ran = run("explain", event(folder, "completed", uuid=7))

    assert ran.code == 3
    assert "would be refused" in ran.out
    assert "  uuid: " in ran.out
    assert run("explain", "event.json", "--json").json[0]["refused"][0]["path"] == "uuid"
