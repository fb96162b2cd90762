"""What follows from one condition for another is never wrong, and is told where people expect it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from router.matching import compile_when, contradiction, disjoint, implies
from tests.matching.test_index import subjects, whens


def condition(when: dict[str, Any]) -> Any:
    return compile_when(when, lambda *_: None, hours={"business", "night"})


@settings(max_examples=500, deadline=None)
@given(whens, whens, st.lists(subjects, min_size=1, max_size=20))
def test_what_is_said_to_follow_really_follows(
    first: dict[str, Any], second: dict[str, Any], events: list[dict[str, Any]]
) -> None:
    one, other = condition(first), condition(second)
    # A missed call is inbound and belongs to our own events: subjects drawn at random need not be such.
    real = [event for event in events if not (event.get("missed") and event.get("direction") != "inbound")]
    real = [event for event in real if event["event_type"] in ("call_ended", "call_corrected") or "missed" not in event]
    assume(real)

    for event in real:
        if implies(one, other) and one.matches(event):
            assert other.matches(event)
        if disjoint(one, other):
            assert not (one.matches(event) and other.matches(event))
        if contradiction(one):
            assert not one.matches(event)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"tag": "a", "direction": "inbound"}, {"tag": "a"}),
        ({"tag": "a"}, {"tag": ["a", "b"]}),
        ({"tag": "sales-uk"}, {"tag": "sales-*"}),
        ({"tag": "sales-uk"}, {"tag": {"prefix": "sales"}}),
        ({"tag": {"prefix": "sales-uk"}}, {"tag": {"prefix": "sales"}}),
        ({"tag": "a"}, {"tag": {"not": "b"}}),
        ({"tag": "a"}, {"tag": {"exists": "true"}}),
        ({"ring_seconds": {"gt": "30"}}, {"ring_seconds": {"gte": "20"}}),
        ({"date": "2026-12-24"}, {"date": {"gte": "2026-12-01"}}),
        ({"tag": "a"}, {"any": [{"tag": "a"}, {"direction": "inbound"}]}),
        ({"tag": {"prefix": "a", "suffix": "b"}}, {"tag": {"prefix": "a"}}),
        ({"hours": "business"}, {"hours": ["business", "night"]}),
    ],
)
def test_a_narrower_condition_implies_a_wider_one_and_not_the_other_way_round(one: Any, other: Any) -> None:
    assert implies(condition(one), condition(other))
    assert not implies(condition(other), condition(one))


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ({"all": [{"tag": "a"}, {"tag": "b"}]}, "tag would have to be a and b"),
        ({"direction": "outbound", "missed": "true"}, "direction would have to be outbound and inbound"),
        ({"direction": "outbound", "calls_today": "3"}, "direction would have to be outbound and inbound"),
        ({"event_type": "ringing", "missed_today": {"gt": "1"}}, "event_type would have to be"),
        ({"calls_today": {"gte": "3", "lt": "2"}}, "at least 3 and less than 2"),
        ({"outcome": "answered", "missed": "true"}, "outcome would have to be answered and not answered or machine"),
        ({"tag": {"prefix": "a", "not": {"prefix": "a"}}}, "tag would have to be prefix a and not prefix a"),
        ({"ring_seconds": {"gt": "30", "lt": "20"}}, "more than 30s and less than 20s"),
        ({"tag": {"exists": "false", "prefix": "a"}}, "tag would have to be not there and prefix a"),
        ({"all": [{"hours": "business"}, {"hours": {"outside": "business"}}]}, "hours would have to be"),
        ({"tag": "a", "any": [{"tag": "b"}, {"tag": "c"}]}, "none of its any: can hold"),
    ],
)
def test_a_condition_that_nothing_can_meet_is_told_with_the_reason(when: Any, why: str) -> None:
    assert why in (contradiction(condition(when)) or "")


@pytest.mark.parametrize(
    "when",
    [
        {"all": [{"hours": "business"}, {"hours": "night"}]},
        {"all": [{"event_payload.list": "a"}, {"event_payload.list": "b"}]},
        {"all": [{"event.list": "a"}, {"event.list": {"not": "b"}}]},
        {"all": [{"tag": "a*"}, {"tag": "*b"}]},
        {"missed": "true", "outcome": ["no_answer", "answered"]},
        {"ring_seconds": {"gte": "20", "lte": "20"}},
    ],
)
def test_what_some_event_can_meet_is_no_contradiction(when: Any) -> None:
    assert contradiction(condition(when)) is None
