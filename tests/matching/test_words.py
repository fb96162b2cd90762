"""What the words of a condition mean: nested fields, comparisons, numbers, lists, what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from router.matching import Condition, ValueList, compile_when

CALL = {
    "event_type": "on_call_event", "tag": "sales-uk", "from": "442071234567", "customer_number": "+442071234567",
    "calls_today": 3, "missed_today": 2,
    "customer_country": "GB", "ring_seconds": 20.0, "talk_seconds": None, "date": "2026-12-24", "weekday": "thu",
    "local_time": "2026-12-24T17:45+00:00", "hours": ["business", "long"], "machine_detected": False,
    "call_started": "2026-12-24T17:45:00.000Z", "campaign": {"id": 7, "names": ["a", "b"]},
    "event_payload": {"type": "collect", "payload": {"digits": "2", "tries": 3, "ok": True, "none": None,
                                                     "steps": [{"n": 1}, {"n": 2}]}},
}  # fmt: skip
LISTS = {
    "vip": ValueList("vip", ["020 7123 4567", "+4930*"]),
    "teams": ValueList("teams", ["sales-uk", "support-*"]),
}


def condition(when: dict[str, Any]) -> Condition:
    mistakes: list[str] = []
    compiled = compile_when(
        when,
        lambda _, text, hint: mistakes.append(f"{text}; {hint}"),
        region="GB",
        hours={"business", "night", "long"},
        lists=LISTS,
    )
    assert mistakes == []
    return compiled


@pytest.mark.parametrize(
    ("when", "held"),
    [
        ({"event_payload.type": "collect"}, True),
        ({"event_payload.type": ["play", "col*"]}, True),
        ({"event_payload.payload.digits": "2"}, True),
        ({"event_payload.payload.tries": "3"}, True),
        ({"event_payload.payload.tries": {"gt": "2", "lte": "3"}}, True),
        ({"event_payload.payload.digits": {"gte": "2"}}, True),
        ({"event_payload.payload.ok": "true"}, True),
        ({"event_payload.type": {"gt": "2"}}, False),
        ({"event_payload.payload.steps.n": "2"}, True),
        ({"event_payload.payload.steps.n": "3"}, False),
        ({"event_payload.payload": {"exists": "true"}}, True),
        ({"event.campaign.id": "7"}, True),
        ({"event.campaign.names": "b"}, True),
        ({"event.campaign.names": {"not": "b"}}, False),
        ({"event.campaign.names": {"prefix": "c"}}, False),
    ],
)
def test_a_field_inside_another_is_reached_by_its_path(when: dict[str, Any], held: bool) -> None:
    assert condition(when).matches(CALL) is held


@pytest.mark.parametrize(
    ("when", "held"),
    [
        ({"tag": {"prefix": "sales"}}, True),
        ({"tag": {"prefix": ["support", "sal"]}}, True),
        ({"tag": {"suffix": "-uk"}}, True),
        ({"tag": {"suffix": "-de"}}, False),
        ({"tag": {"contains": "es-"}}, True),
        ({"tag": {"regex": "sales-[a-z]{2}"}}, True),
        ({"tag": {"regex": "sales"}}, False),
        ({"tag": {"prefix": "sales", "not": "*-test"}}, True),
        ({"tag": {"prefix": "sales", "not": {"suffix": ["-uk", "-us"]}}}, False),
        ({"tag": ["support", {"prefix": "sales"}]}, True),
        ({"tag": {"in": "teams"}}, True),
        ({"tag": {"not": {"in": "teams"}}}, False),
        ({"tag": {"in": ["vip", "teams"]}}, True),
    ],
)
def test_a_text_is_held_against_words(when: dict[str, Any], held: bool) -> None:
    assert condition(when).matches(CALL) is held


@pytest.mark.parametrize(
    ("when", "held"),
    [
        ({"customer_number": {"country": "GB"}}, True),
        ({"customer_number": {"country": ["DE", "GB"], "prefix": "+4420"}}, True),
        ({"customer_number": {"country": "DE"}}, False),
        ({"customer_number": {"prefix": "+44 20"}}, True),
        ({"customer_number": {"suffix": "4567"}}, True),
        ({"customer_number": {"in": "vip"}}, True),
        ({"customer_number": {"not": {"in": "vip"}}}, False),
        ({"customer_number": {"not": {"in": "vip"}, "country": "GB"}}, False),
        ({"customer_country": "GB"}, True),
        ({"from_number": {"country": "GB"}}, False),
    ],
)
def test_a_phone_number_is_held_against_its_country_its_digits_and_lists(when: dict[str, Any], held: bool) -> None:
    assert condition(when).matches(CALL) is held


def test_a_list_of_numbers_may_have_wildcards() -> None:
    assert condition({"customer_number": {"in": "vip"}}).matches({"customer_number": "+4930123456"})


@pytest.mark.parametrize(
    ("when", "held"),
    [
        ({"ring_seconds": {"gte": "20"}}, True),
        ({"ring_seconds": {"gt": "20s"}}, False),
        ({"ring_seconds": {"lt": "1m", "gt": "500ms"}}, True),
        ({"ring_seconds": "20"}, True),
        ({"ring_seconds": ["5s", "20s"]}, True),
        ({"calls_today": "3"}, True),
        ({"calls_today": ["1", "2"]}, False),
        ({"calls_today": {"gte": "3", "lt": "10"}, "missed_today": {"gt": "2"}}, False),
        ({"missed_today": {"not": "3"}}, True),
        ({"call_started": {"gt": "2026-12-24T17:44:59Z"}}, True),
        ({"call_started": {"lt": "2026-12-24T18:45:00+01:00"}}, False),
        ({"date": "2026-12-24"}, True),
        ({"date": "*-12-24"}, True),
        ({"date": {"gte": "2026-12-24", "lte": "2027-01-01"}}, True),
        ({"date": {"gt": "2026-12-24"}}, False),
        ({"local_time": {"gte": "17:30", "lt": "18:00"}}, True),
        ({"local_time": {"gt": "17:45"}}, False),
        ({"weekday": "mon-fri"}, True),
        ({"weekday": ["fri-tue"]}, False),
        ({"weekday": {"not": "sat-sun"}}, True),
        ({"hours": "business"}, True),
        ({"hours": ["night", "long"]}, True),
        ({"hours": {"outside": "business"}}, False),
        ({"hours": {"outside": ["night"]}}, True),
        ({"hours": {"not": "night"}}, True),
        ({"machine_detected": {"not": "true"}}, True),
    ],
)
def test_durations_moments_dates_and_hours_are_compared_as_what_they_are(when: dict[str, Any], held: bool) -> None:
    assert condition(when).matches(CALL) is held


#: One of each word, about a field that is not there.
MISSING = [
    {"tag": "a"}, {"tag": "*"}, {"tag": {"prefix": "a"}}, {"tag": {"suffix": "a"}}, {"tag": {"contains": "a"}},
    {"tag": {"regex": ".*"}}, {"tag": {"in": "teams"}}, {"tag": {"exists": "true"}}, {"talk_seconds": {"lt": "5"}},
    {"calls_today": "0"}, {"missed_today": {"lt": "5"}},
    {"talk_seconds": "0"}, {"customer_number": {"country": "GB"}}, {"customer_number": {"in": "vip"}},
    {"event_payload.type": "None"}, {"event_payload.a.b.c": {"gt": "0"}}, {"event.extra": "null"}, {"date": "*"},
    {"hours": "business"}, {"call_answered": {"gt": "1970-01-01T00:00:00Z"}}, {"local_time": {"gte": "00:00"}},
    {"machine_detected": "false"},
]  # fmt: skip


@pytest.mark.parametrize("subject", [{}, {"tag": None, "event_payload": None, "extra": None}])
@pytest.mark.parametrize("when", MISSING, ids=str)
def test_a_missing_field_is_false_and_its_plain_negation_true(subject: dict[str, Any], when: dict[str, Any]) -> None:
    [(key, value)] = when.items()

    assert condition(when).matches(subject) is False
    assert condition({"not": when}).matches(subject) is True
    assert condition({key: {"not": value}}).matches(subject) is True


@pytest.mark.parametrize(
    ("when", "held"),
    [
        ({"talk_seconds": {"exists": "false"}}, True),
        ({"tag": {"exists": "false"}}, False),
        ({"tag": {"exists": "true"}}, True),
        ({"event_payload.payload.none": {"exists": "false"}}, True),
        ({"event.extra": {"exists": "false"}}, True),
        ({"event.campaign": {"exists": "true"}}, True),
    ],
)
def test_exists_says_aloud_what_is_not_there(when: dict[str, Any], held: bool) -> None:
    assert condition(when).matches(CALL) is held


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ({"tag": {"prefix": ["a", "b"]}}, "prefix a or b"),
        ({"tag": {"prefix": "a", "not": "*z"}}, "prefix a and not *z"),
        ({"tag": {"in": "teams"}}, 'in the list "teams"'),
        ({"ring_seconds": {"gt": "90"}}, "more than 1m 30s"),
        ({"date": {"lte": "2026-12-24"}}, "until 2026-12-24"),
        ({"event_payload.n": {"lt": "5"}}, "less than 5"),
        ({"tag": {"exists": "false"}}, "not there"),
        ({"tag": {"not": {"prefix": "a", "suffix": "b"}}}, "not (prefix a and suffix b)"),
        ({"tag": [str(n) for n in range(10, 30)]}, " or ".join(map(str, range(10, 22))) + " or 8 others"),
    ],
)
def test_an_explanation_says_in_words_what_was_wanted(when: dict[str, Any], wanted: str) -> None:
    assert condition(when).explain(CALL)[0].wanted == wanted


def test_an_explanation_shows_the_value_inside_another() -> None:
    assert condition({"event_payload.payload.digits": "3"}).explain(CALL)[0].actual == "2"


def test_a_regular_expression_never_takes_exponential_time() -> None:
    assert not condition({"tag": {"regex": "(a+)+b"}}).matches({"tag": "a" * 50_000})


def test_a_number_under_from_or_to_is_a_doubt() -> None:
    doubts: list[str] = []

    compile_when({"to": "+442071234567"}, lambda *_: None, warn=lambda _, text, hint: doubts.append(f"{text}; {hint}"))

    assert "to compare numbers write to_number: +442071234567" in doubts[0]


def test_an_entry_of_a_list_that_is_no_number_is_reported_once() -> None:
    told: list[str] = []
    lists = {"vip": ValueList("vip", ["Ada"])}

    for _ in range(2):
        compile_when({"from_number": {"in": "vip"}}, lambda _, text, hint: told.append(text), lists=lists)

    assert told == ['"Ada" in the list "vip" is no phone number']
