"""events, calls and deliveries: tables, single ones in full, JSON."""

from __future__ import annotations

import pytest

from router import samples
from router.store import State
from router.store.sqlite.store import SqliteStore


def test_events_are_listed_newest_first(run, played):
    played.call("missed")

    ran = run("events")

    assert ran.code == 0
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0] == ["ID", "RECEIVED", "AGE", "SOURCE", "TYPE", "FROM", "TO", "RULES", "CALL"]
    assert [line[0] for line in lines[1:]] == ["4", "3", "2", "1"]
    assert "call_ended" in lines[1]
    assert samples.CUSTOMER in lines[1]


@pytest.mark.parametrize(
    ("arguments", "types"),
    [
        (["--type", "ringing"], ["ringing"]),
        (["--limit", "1"], ["call_ended"]),
        (["--unmatched"], ["completed", "call_setup"]),
        (["--since", "2h"], []),
        (["--call", "5DCCB6B0-F35C-488C-867B-86FB012C4415", "--type", "completed"], ["completed"]),
    ],
)
def test_events_can_be_chosen(run, played, arguments, types):
    played.call("missed", uuid="5dccb6b0-f35c-488c-867b-86fb012c4415")

    ran = run("events", "--json", *arguments)

    assert ran.code == 0
    assert [event["type"] for event in ran.json] == types


def test_one_event_is_shown_with_facts_body_and_deliveries(run, played):
    played.call("missed")

    ran = run("events", "4")

    assert ran.code == 0
    assert "outcome" in ran.out
    assert '  "event_type": "call_ended",' in ran.out
    assert "missed" in ran.out
    assert "crm" in ran.out


def test_json_of_an_event_has_stable_keys(run, played):
    played.call("busy")

    keys = {*run("events", "--json", "--limit", "1").json[0]}

    assert keys == {
        "id", "source", "call", "type", "event_time", "received_at", "late", "rules", "unmatched", "config_version",
        "facts", "event",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["events", "deliveries"])
def test_a_number_that_nothing_has_is_answered_with_no(run, played, name):
    played.call("busy")

    ran = run(name, "4711")

    assert (ran.code, ran.out) == (3, "")
    assert "4711" in ran.err


@pytest.mark.parametrize("name", ["events", "calls", "deliveries"])
def test_nothing_that_fits_is_no_failure(run, played, name):
    played.call("busy")

    ran = run(name, "--since", "1m")

    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("No ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("deliveries", "--destination", "archve"), 'No destination is called "archve"; did you mean "archive"?'),
        (("deliveries", "--rule", "mised"), 'No rule is called "mised"; did you mean "missed"?'),
        (("events", "--type", "ringin"), 'No event type is called "ringin"; did you mean "ringing"?'),
        (("events", "--source", "fax"), 'No source is called "fax"; there are: phone.'),
        (("calls", "--source", "fax"), 'No source is called "fax"; there are: phone.'),
        (("replay", "--source", "fax"), 'No source is called "fax"; there are: phone.'),
        (("replay", "--destination", "archve"), 'No destination is called "archve"; did you mean "archive"?'),
        (("cancel", "--rule", "mised"), 'No rule is called "mised"; did you mean "missed"?'),
    ],
    ids=" ".join,
)
def test_a_misspelt_name_is_not_taken_for_nothing_found(run, played, words, said):
    played.call("busy")

    ran = run(*words)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_what_a_name_of_the_past_was_owed_is_still_found(run, played, folder):
    played.call("missed")
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("- name: missed", "- name: told"))

    assert run("deliveries", "--rule", "missed").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("events",), "No event was received yet. To see some: callrouter send --sample missed\n"),
        (("calls",), "No call was heard of yet. To see one: callrouter send --sample missed\n"),
        (("deliveries",), "Nothing was owed to anybody yet.\n"),
        (("commands",), "Nobody has recorded a command yet.\n"),
        (("silence", "list"), "No silence is active; --all shows those that have ended.\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_empty_store_says_so_in_words_of_its_own(run, config, words, said):
    SqliteStore.open(config.data).close()

    assert run(*words) == (0, "", said)


@pytest.mark.parametrize("words", [("calls",), ("events", "--call"), ("deliveries", "--call")], ids=" ".join)
def test_the_beginning_of_a_call_is_enough_as_the_log_shows_it(run, played, words):
    uuid = played.call("missed", uuid="5dccb6b0-aaaa-4000-8000-000000000001")
    played.call("missed", uuid="5dccb6b1-aaaa-4000-8000-000000000002")

    assert run(*words, uuid[:8].upper(), "--json") == run(*words, uuid, "--json")
    several = run(*words, "5dccb6b")
    assert several.code == 2
    assert f'Several calls begin with "5dccb6b": {uuid}, 5dccb6b1-' in several.err


def test_refused_events_are_listed_with_their_faults(run, played):
    played.refuse()

    ran = run("events", "--rejected")

    assert "uuid: is missing" in ran.out
    assert "10.0.0.9" in ran.out


def test_a_long_list_of_faults_is_cut_in_a_table(run, played):
    played.refuse(faults=["uuid", "from", "to", "tag"])

    row = run("events", "--rejected").out.splitlines()[1]

    assert row.endswith("uuid: is missing; from: is missing; and 2 more")


def test_one_refused_event_is_shown_with_its_body(run, played):
    first = played.refuse(b'{"from": "first"}')
    played.refuse(b"\xff not json \x1b[2J")

    assert '"from": "first"' in run("events", "--rejected", first).out
    assert "\\xff not json \\x1b[2J" in run("events", "--rejected", first + 1).out


def test_refused_events_can_be_chosen_by_source_and_time(run, played):
    played.refuse()

    assert len(run("events", "--rejected", "--json").json) == 1
    assert run("events", "--rejected", "--json", "--source", "fax").json == []
    assert run("events", "--rejected", "--json", "--since", "1h").json == []


def test_refused_events_have_no_call_to_be_chosen_by(run, played):
    played.refuse()

    assert run("events", "--rejected", "--call", "x").code == 2


def test_what_a_caller_chose_is_shown_and_not_obeyed(run, played):
    played.event(**{"from": "\x1b[2Jevil\u202e"})

    ran = run("events")

    assert "\\x1b[2Jevil\\u202e" in ran.out
    assert "\x1b" not in ran.out


def test_calls_are_listed_with_how_they_ended(run, played):
    missed = played.call("missed")
    answered = played.call("answered", at=1_760_000_500)

    calls = run("calls", "--json").json

    assert [(call["call"], call["outcome"], call["missed"]) for call in calls] == [
        (answered, "answered", False),
        (missed, "no_answer", True),
    ]
    assert "missed (no_answer)" in run("calls").out


def test_one_call_is_shown_with_its_events_in_order(run, played):
    uuid = played.call("dtmf")

    ran = run("calls", uuid.upper())

    assert ran.code == 0
    rows = ran.out.partition("Events\n")[2].partition("\n\nDeliveries\n")[0].splitlines()[1:]
    types = ["call_setup", "ringing", "answered", "on_call_event", "on_call_event", "completed", "call_ended"]
    assert [row.split()[1] for row in rows] == types


def test_one_call_is_shown_with_who_was_told_of_it_and_how_that_went(run, played):
    uuid = played.call("missed")
    played.call("missed")
    played.attempt("crm", State.DEAD, "crm answered 422")

    rows = [line.split() for line in run("calls", uuid).out.partition("\nDeliveries\n")[2].splitlines()[1:]]

    assert [row[1:5] for row in rows] == [
        ["archive", "call_setup", "–", "ready"],
        ["archive", "ringing", "–", "waiting"],
        ["archive", "completed", "–", "waiting"],
        ["crm", "call_ended", "missed", "dead"],
    ]
    assert rows[-1][-3:] == ["crm", "answered", "422"]


def test_a_call_that_never_was_is_answered_with_no(run, played):
    played.call("busy")

    assert run("calls", "00000000-0000-0000-0000-000000000000").code == 3


def test_deliveries_are_listed_with_state_and_reason(run, played):
    played.call("missed")
    played.attempt("crm", State.DEAD, "crm answered 404")

    ran = run("deliveries", "--state", "dead")

    assert ran.code == 0
    row = ran.out.splitlines()[1]
    assert "crm" in row
    assert "dead" in row
    assert "crm answered 404" in row


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--destination", "crm"], 1),
        (["--destination", "archive"], 3),
        (["--rule", "missed"], 1),
        (["--event", "1"], 1),
        (["--state", "waiting"], 2),
        (["--limit", "2"], 2),
    ],
)
def test_deliveries_can_be_chosen(run, played, arguments, count):
    played.call("missed")

    assert len(run("deliveries", "--json", *arguments).json) == count


def test_one_delivery_is_shown_with_every_attempt(run, played):
    played.call("missed")
    (number,) = played.attempt("crm", State.READY, "crm answered 503")
    played.attempt("crm", State.DEAD, "crm answered 404")

    shown = run("deliveries", number).out
    document = run("deliveries", number, "--json").json[0]

    assert "crm answered 503" in shown
    assert "250 ms" in shown
    assert [attempt["reason"] for attempt in document["history"]] == ["crm answered 503", "crm answered 404"]
    assert "Last answer" not in shown
    assert document["answer"] is None


def test_one_delivery_is_shown_with_the_last_answer_of_its_destination(run, played):
    played.call("missed")
    answer = {
        "status": 422,
        "seconds": 0.1234,
        "headers": {"content-type": "text/plain", "x-request-id": "r-7"},
        "body": "no such field:\n\x1b[2Jphone",
        "cut": True,
    }
    (number,) = played.attempt("crm", State.DEAD, "crm answered 422", answer=answer)

    shown = run("deliveries", number).out
    document = run("deliveries", number, "--json").json[0]

    assert shown.split("Last answer: ")[1] == (
        "422, to attempt 1, after 123 ms\n"
        "  content-type  text/plain\n"
        "  x-request-id  r-7\n"
        "\n"
        "  no such field:\n"
        "  \\x1b[2Jphone\n"
        "  … (the rest was not kept)\n"
    )
    assert document["answer"] == {"attempt": 1, **answer}
    assert "answer" not in run("deliveries", "--json").json[0]
