"""The ordered rules: who hears of an event, by which rule, and what order decides."""

from __future__ import annotations

from typing import Any

from router.matching import compile_when
from router.routes import Routes, Rule, Send


def rule(name: str, send: str, when: dict[str, Any], **options: Any) -> Rule:
    condition = compile_when(when, lambda _, text, hint: (_ for _ in ()).throw(AssertionError(text, hint)))
    return Rule(name, condition, tuple(send.split()), **options)


SALES = rule("sales", "slack crm", {"tag": "sales"})
INBOUND = rule("inbound", "slack pager", {"direction": "inbound"})
MISSED = rule("missed", "pager", {"missed": "true"})
EVENT = {"tag": "sales", "direction": "inbound"}


def test_every_matching_rule_fires_and_no_destination_is_named_twice() -> None:
    decision = Routes((SALES, INBOUND)).decide(EVENT)

    assert decision.rules == ("sales", "inbound")
    assert decision.sends == (Send("slack", "sales"), Send("crm", "sales"), Send("pager", "inbound"))
    assert not decision.unmatched


def test_stop_ends_the_search_but_not_always() -> None:
    stop = rule("stop", "crm", {"tag": "sales"}, stop=True)

    decision = Routes((stop, INBOUND), always=("archive",)).decide(EVENT)

    assert decision.sends == (Send("crm", "stop"), Send("archive", None))


def test_a_rule_that_does_not_match_stops_nothing() -> None:
    stop = rule("stop", "crm", {"tag": "support"}, stop=True)

    assert Routes((stop, INBOUND)).decide(EVENT).rules == ("inbound",)


def test_an_unmatched_event_goes_where_unmatched_says() -> None:
    decision = Routes((SALES,), always=("archive",), unmatched=("catchall", "archive")).decide({"tag": "support"})

    assert decision.unmatched
    assert decision.sends == (Send("catchall", None), Send("archive", None))


def test_always_does_not_count_as_a_match() -> None:
    assert Routes((), always=("archive",)).decide(EVENT).unmatched


def test_a_rule_once_per_call_matches_again_but_sends_no_more() -> None:
    once = rule("ring", "pager", {"direction": "inbound"}, once=True)
    routes = Routes((once,), unmatched=("archive",))

    first = routes.decide(EVENT)
    second = routes.decide(EVENT, fired={"ring"})

    assert (first.sends, first.fired) == ((Send("pager", "ring"),), ("ring",))
    assert (second.sends, second.fired, second.unmatched) == ((), (), False)


def test_our_own_events_reach_only_rules_that_name_them() -> None:
    routes = Routes((SALES, INBOUND, MISSED), always=("archive",), unmatched=("catchall",))

    decision = routes.decide(EVENT | {"event_type": "call_ended", "missed": True}, from_sender=False)

    assert decision.sends == (Send("pager", "missed"),)


def test_an_own_event_without_a_rule_is_not_unmatched() -> None:
    decision = Routes((SALES,), always=("archive",), unmatched=("catchall",)).decide(EVENT, from_sender=False)

    assert (decision.sends, decision.unmatched) == ((), False)


def test_a_rule_keeps_its_condition_for_explanations() -> None:
    assert [one.held for one in SALES.condition.explain(EVENT)] == [True]
