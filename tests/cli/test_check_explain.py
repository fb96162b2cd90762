"""Asking what a configuration is worth, and what it would do."""

from __future__ import annotations

import json

import pytest

from router import clock, samples
from router.cli import bodies

TIMES = ("event_time", "call_started", "call_answered", "call_completed")


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


def test_explaining_says_why_a_fact_is_not_there_and_what_becomes_of_an_event_that_no_rule_matches(run, config, folder):
    ran = run("explain", event(folder, "call_setup"))

    assert "no   missed: true   it has: nothing, because only call_ended and call_corrected have it\n" in ran.out
    assert "no   event_type: ringing   it has: call_setup\n" in ran.out
    assert "  no rule matches; unmatched: drop\n" in ran.out

    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("unmatched: drop", "unmatched: [crm]"))
    assert "  no rule matches; unmatched: crm\n" in run("explain", event(folder, "call_setup")).out


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


def call(folder, name: str = "missed", **fields: object) -> list[dict[str, object]]:
    return [{**timed.event, **fields} for timed in samples.play(name, started_at=1_760_000_000)]


@pytest.mark.parametrize("form", ["list", "lines"])
def test_a_whole_call_is_explained_event_by_event(run, config, folder, form):
    events = call(folder)
    text = json.dumps(events) if form == "list" else "\n".join(map(json.dumps, events))
    (folder / "call.json").write_text(text)
    (document,) = run("explain", "call.json", "--json").json
    ran = run("explain", "call.json", "--expect", "crm,archive")

    assert [one["type"] for one in document["events"]] == ["call_setup", "ringing", "completed", "call_ended"]
    assert ran.code == 0
    assert ran.out.startswith("Taken to be all 3 events of their calls, in this order.")


def test_events_that_would_be_refused_are_told_by_their_number(run, config, folder):
    (folder / "call.json").write_text(json.dumps([*call(folder), {"uuid": 7}, 8]))
    ran = run("explain", "call.json")

    assert ran.code == 3
    assert "Event 4 would be refused" in ran.out
    assert "Event 5 would be refused" in ran.out
    assert run("explain", "call.json", "--json").json[0]["refused"][-1]["event"] == 5


@pytest.mark.parametrize("text", ["", "[]", " \n"])
def test_a_file_without_an_event_is_a_wrong_command_line(run, config, folder, text):
    (folder / "call.json").write_text(text)
    ran = run("explain", "call.json")

    assert (ran.code, ran.out) == (2, "")
    assert "There is no event in it." in ran.err


@pytest.mark.parametrize(
    ("at", "time"),
    [
        ("2026-07-05T10:00", "2026-07-05T10:00+01:00"),
        ("2026-07-05T10:00:00Z", "2026-07-05T11:00+01:00"),
    ],
)
def test_a_call_can_be_explained_at_any_time(run, config, folder, at, time):
    (folder / "call.json").write_text(json.dumps(call(folder)))
    (document,) = run("explain", "call.json", "--at", at, "--json").json

    assert {one["time"] for one in document["events"]} == {time}
    assert "Event ringing, sun 2026-07-05T1" in run("explain", "call.json", "--at", at).out


def test_moving_a_call_moves_all_its_times_alike(folder):
    events = call(folder, "answered")
    moved = [json.loads(body) for body in bodies.moved([json.dumps(one).encode() for one in events], 86400.0)]

    for before, after in zip(events, moved, strict=True):
        by = {clock.parse(after[name]) - clock.parse(before[name]) for name in TIMES if before[name] is not None}
        assert [round(seconds, 3) for seconds in by] == [86400.0 - 1_760_000_000] * len(by)
        assert {**before, **dict.fromkeys(TIMES)} == {**after, **dict.fromkeys(TIMES)}
    assert moved[0]["call_started"] == "1970-01-02T00:00:00.000Z"


def test_a_time_that_is_none_is_a_wrong_command_line(run, config, folder):
    ran = run("explain", event(folder, "ringing"), "--at", "sunday")

    assert (ran.code, ran.out) == (2, "")
    assert '--at: "sunday" is no date and time' in ran.err


def test_what_would_be_said_stands_below_each_destination(run, config, folder):
    text = (folder / "config.yaml").read_text()
    said = 'type: console, text: "{{ event.from | phone }}\\n\\u001b[31m{{ event.tag }}"'
    (folder / "config.yaml").write_text(text.replace("type: file, path: data/archive.jsonl", said))
    path = event(folder, "call_setup", tag="sales")

    assert (
        "  → archive, by always:\n      text: +44 7700 900123\n            \\x1b[31msales\n" in run("explain", path).out
    )
    (document,) = run("explain", path, "--json").json
    assert document["events"][0]["sends"][0]["rendered"] == {"text": "+44 7700 900123\n\x1b[31msales"}
