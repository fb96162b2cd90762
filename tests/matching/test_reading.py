"""One `when:` block: what it matches, what it refuses, and how it explains itself."""

from __future__ import annotations

from typing import Any

import pytest

from router.matching import Condition, compile_when

MISSED = {
    "source": "wavix", "event_type": "call_ended", "direction": "inbound", "tag": "sales-uk", "machine_detected": False,
    "missed": True, "ended": True, "outcome": "no_answer", "customer_number": "+442071234567", "from": "442071234567",
    "weekday": "mon", "extra": 3,
}  # fmt: skip


def condition(when: dict[str, Any], **options: Any) -> Condition:
    mistakes: list[str] = []
    compiled = compile_when(when, lambda _, text, hint: mistakes.append(f"{text}; {hint}"), **options)
    assert mistakes == []
    return compiled


def refusals(when: dict[str, Any], **options: Any) -> list[tuple[object, str, str | None]]:
    mistakes: list[tuple[object, str, str | None]] = []
    compile_when(when, lambda at, text, hint: mistakes.append((at, text, hint)), **options)
    return mistakes


@pytest.mark.parametrize(
    ("when", "held"),
    [
        ({"event_type": "call_ended"}, True),
        ({"event_type": "completed"}, False),
        ({"missed": "true"}, True),
        ({"missed": "false"}, False),
        ({"machine_detected": "false"}, True),
        ({"tag": ["support", "sales-uk"]}, True),
        ({"tag": "sales*"}, True),
        ({"tag": "Sales*"}, False),
        ({"tag": "sales-??"}, True),
        ({"tag": "sales-?"}, False),
        ({"tag": "*-uk"}, True),
        ({"tag": "s*-*k"}, True),
        ({"tag": ["support", "x*"]}, False),
        ({"tag": {"not": "support"}}, True),
        ({"tag": {"not": ["support", "sales*"]}}, False),
        ({"missed": "true", "direction": "inbound"}, True),
        ({"missed": "true", "direction": "outbound"}, False),
        ({"customer_number": "+44*"}, True),
        ({"any": [{"tag": "support"}, {"direction": "inbound"}]}, True),
        ({"any": [{"tag": "support"}, {"direction": "inbound", "missed": "false"}]}, False),
        ({"all": [{"tag": "sales*"}, {"tag": "*uk"}]}, True),
        ({"all": [{"tag": "sales*"}, {"tag": "*de"}]}, False),
        ({"not": {"tag": "sales*", "direction": "outbound"}}, True),
        ({"not": {"tag": "sales*", "direction": "inbound"}}, False),
        ({"not": {"any": [{"tag": "support"}, {"not": {"direction": "inbound"}}]}}, True),
        ({"weekday": ["sat", "sun"]}, False),
    ],
)
def test_a_condition_holds_exactly_when_its_words_say_so(when: dict[str, Any], held: bool) -> None:
    assert condition(when).matches(MISSED) is held


@pytest.mark.parametrize("subject", [{}, {"tag": None}])
@pytest.mark.parametrize(
    ("when", "held"),
    [
        ({"tag": "sales"}, False),
        ({"tag": "*"}, False),
        ({"tag": "None"}, False),
        ({"tag": {"not": "sales"}}, True),
        ({"tag": {"not": "*"}}, True),
        ({"not": {"tag": "sales"}}, True),
        ({"missed": "false"}, False),
        ({"any": [{"tag": "sales"}, {"direction": "inbound"}]}, False),
    ],
)
def test_a_missing_field_fails_every_test_and_passes_every_not(
    subject: dict[str, Any], when: dict[str, Any], held: bool
) -> None:
    assert condition(when).matches(subject) is held


@pytest.mark.parametrize("written", ["020 7123 4567", "+44 20 7123 4567", "442071234567"])
def test_a_number_matches_however_it_is_written(written: str) -> None:
    assert condition({"customer_number": written}, region="GB").matches(MISSED)


def test_a_wildcard_never_takes_exponential_time() -> None:
    assert not condition({"tag": "a*a*a*a*a*a*a*a*a*a*a*a*b"}).matches({"tag": "a" * 10_000})


@pytest.mark.parametrize(
    ("when", "sees"),
    [
        ({"event_type": "call_ended"}, True),
        ({"event_type": ["completed", "call_corrected"]}, True),
        ({"missed": "true"}, True),
        ({"any": [{"tag": "a"}, {"outcome": "busy"}]}, True),
        ({"not": {"ended": "true"}}, True),
        ({"event_type": "call_*"}, False),
        ({"event_type": {"not": "call_ended"}}, False),
        ({"answered": "true", "direction": "inbound"}, False),
    ],
)
def test_a_rule_sees_our_own_events_only_when_it_names_them(when: dict[str, Any], sees: bool) -> None:
    assert condition(when).sees_own_events is sees


@pytest.mark.parametrize(
    ("when", "at", "text", "hint"),
    [
        ({"tagg": "a"}, "tagg", 'unknown key "tagg" in a condition', 'did you mean "tag"?'),
        ({"colour": "a"}, "colour", 'unknown key "colour" in a condition', "allowed are all, answered, any"),
        ({"colour.tone": "a"}, "colour.tone", 'unknown key "colour.tone"', "event.colour.tone"),
        ({"event.": "a"}, "event.", '"event." ends with a dot', "write what comes after it"),
        ({"event_payload..type": "a"}, "event_payload..type", "an empty name between two dots", "once"),
        ({"hours": "business"}, "business", 'there are no hours "business"', "define them at the top level"),
        ({"event_type": "complted"}, "complted", '"complted" is no event_type', 'did you mean "completed"?'),
        ({"event_type": "missed"}, "missed", '"missed" is no event_type', "write missed: true instead"),
        ({"event_type": "party"}, "party", '"party" is no event_type', "accept_types"),
        ({"event_type": "ring-*"}, "ring-*", 'no event_type is like "ring-*"', "ringing"),
        ({"direction": "inbund"}, "inbund", '"inbund" is no direction', 'did you mean "inbound"?'),
        ({"weekday": "Monday"}, "Monday", '"Monday" is no weekday', 'write "mon"'),
        ({"missed": "yes"}, "yes", 'either true or false, not "yes"', "did you mean true?"),
        ({"missed": "True"}, "True", 'either true or false, not "True"', "did you mean true?"),
        ({"missed": "sometimes"}, "sometimes", "either true or false", "write true or false"),
        ({"tag": {"prefix": ""}}, "prefix", '"prefix" is empty', "exists: true"),
        ({"tag": {"gt": "5"}}, "gt", '"gt" does not fit "tag"', "tag knows not, exists"),
        ({"tag": {"outside": "a"}}, "outside", '"outside" does not fit "tag"', "tag: {not: …}"),
        ({"tag": {"any": []}}, "any", 'unknown word "any" for "tag"', "beside the keys of a condition"),
        ({"tag": {"exists": "yes"}}, "yes", '"exists" is either true or false', "exists: false"),
        ({"tag": {"exists": ["true"]}}, "exists", '"exists" is either true or false', "exists: false"),
        ({"tag": {"prefix": []}}, "prefix", '"prefix" has an empty list', "at least one"),
        ({"tag": {"in": "vip"}}, "vip", 'there is no list "vip"', "define it at the top level under lists:"),
        ({"tag": {"regex": "(?=a)"}}, "(?=a)", "is no regular expression: invalid perl operator", "no look-around"),
        ({"tag": {"regex": "a" * 2001}}, "a" * 2001, "longer than 2000 characters", "list"),
        ({"tag": {"not": {"prefxi": "a"}}}, "prefxi", 'unknown word "prefxi" for "tag"', 'did you mean "prefix"?'),
        ({"customer_number": {"prefix": "020"}}, "020", 'no phone number begins with "020"', "+4420"),
        ({"customer_number": {"suffix": "+99"}}, "+99", 'no phone number has "+99" in it', "digits alone"),
        ({"customer_number": {"country": "UK"}}, "UK", '"UK" is no country code', 'did you mean "GB"?'),
        ({"customer_country": "Germany"}, "Germany", '"Germany" is no country code', "GB or US"),
        ({"ring_seconds": {"gt": "long"}}, "long", 'ring_seconds: "long" is no duration', ""),
        ({"ring_seconds": {"gt": ["1", "2"]}}, "2", '"gt" takes one value', "outermost"),
        ({"event_payload.n": {"gt": "many"}}, "many", '"many" is no number', ""),
        ({"call_started": {"gt": "noon"}}, "noon", '"noon" is no moment', ""),
        ({"date": "2026-02-30"}, "2026-02-30", '"2026-02-30" is no date', "2026-12-24"),
        ({"local_time": {"gte": "9:00"}}, "9:00", '"9:00" is no time of day', ""),
        ({"tag": {"nto": "a"}}, "nto", 'unknown word "nto" for "tag"', 'did you mean "not"?'),
        ({"tag": {}}, "tag", '"tag" has no value', "remove the key"),
        ({"tag": []}, "tag", "empty list, which nothing can match", "at least one"),
        ({"any": {"tag": "a"}}, "any", '"any" needs a list of conditions', "write any: ["),
        ({"not": "sales"}, "not", '"not" as a key needs a condition', "tag: {not: sales}"),
        ({"customer_number": "0207*"}, "0207*", 'no phone number is like "0207*"', "+442071234567"),
        ({"source": "wavx"}, "wavx", '"wavx" is no source', 'did you mean "wavix"?'),
    ],
)
def test_a_mistake_is_reported_where_it_stands_with_what_to_write(
    when: dict[str, Any], at: str, text: str, hint: str
) -> None:
    mistakes = refusals(when, sources={"wavix"})

    assert len(mistakes) == 1
    assert mistakes[0][0] == at
    assert text in mistakes[0][1]
    assert hint in (mistakes[0][2] or "")


def test_every_mistake_is_reported_not_only_the_first() -> None:
    assert len(refusals({"direction": "inbund", "any": [{"tagg": "a"}, {"missed": "no"}]})) == 3


def test_an_empty_condition_is_refused_because_it_would_match_everything() -> None:
    assert "match everything" in refusals({})[0][1]


def test_event_types_that_a_source_accepts_are_known() -> None:
    assert refusals({"event_type": "dtmf"}, extra_types={"dtmf"}) == []


@pytest.mark.parametrize(
    "when",
    [
        {"event_type": "completed", "missed": "true"},
        {"event_type": ["completed", "busy"], "all": [{"outcome": "busy"}]},
        {"ended": "true", "event_type": "answ*"},
    ],
)
def test_a_fact_of_the_whole_call_joined_with_another_event_never_matches_and_is_refused(when: dict[str, Any]) -> None:
    assert "this never matches" in refusals(when)[0][1]


@pytest.mark.parametrize(
    "when",
    [
        {"event_type": "call_ended", "missed": "true"},
        {"event_type": ["completed", "call_ended"], "missed": "true"},
        {"event_type": "*", "missed": "true"},
        {"any": [{"event_type": "completed"}, {"missed": "true"}]},
    ],
)
def test_what_can_match_call_ended_is_not_refused(when: dict[str, Any]) -> None:
    assert refusals(when) == []


def test_an_explanation_shows_each_test_with_what_it_met() -> None:
    explained = condition({"direction": "inbound", "any": [{"tag": ["a", "b*"]}, {"outcome": {"not": "busy"}}]})

    assert [(one.key, one.wanted, one.actual, one.held, one.depth) for one in explained.explain(MISSED)] == [
        ("direction", "inbound", "inbound", True, 0),
        ("any", "any of these", None, True, 0),
        ("tag", "a or b*", "sales-uk", False, 1),
        ("outcome", "not busy", "no_answer", True, 1),
    ]
