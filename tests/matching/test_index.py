"""The index is held to the plain reading of every rule."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from router.matching import Condition, Index, ValueList, compile_when
from router.routes import Routes, Rule, Send

TYPES = ["ringing", "answered", "completed", "busy", "call_ended", "call_corrected"]
TAGS = ["sales-uk", "sales-de", "sales", "support", "support-1", "s", ""]
NUMBERS = ["+442079460958", "+442079460959", "+493012345678"]


def some(values: list[str]) -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))


tags = some([*TAGS[:-1], "sales*", "s*", "*-uk", "?ales", "*"])
words = st.one_of(
    tags,
    st.builds(lambda value: {"not": value}, tags),
    st.builds(lambda value: {"prefix": value}, some(["s", "sales-", "x"])),
    st.just({"exists": "false"}),
)
keys: dict[str, st.SearchStrategy[Any]] = {
    "event_type": some(TYPES),
    "direction": some(["inbound", "outbound"]),
    "tag": words,
    "to_number": some(NUMBERS),
    "missed": st.sampled_from(["true", "false"]),
    "first": st.sampled_from(["true", "false"]),
}
blocks = st.lists(st.sampled_from(sorted(keys)), min_size=1, max_size=4, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: keys[name] for name in names})
)
whens = st.recursive(
    blocks,
    lambda inner: st.one_of(
        st.builds(lambda block, others: {**block, "any": others}, blocks, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda block, others: {**block, "all": others}, blocks, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda block, other: {**block, "not": other}, blocks, inner),
    ),
    max_leaves=4,
)
subjects = st.fixed_dictionaries(
    {"event_type": st.sampled_from(TYPES)},
    optional={
        "direction": st.sampled_from(["inbound", "outbound", None]),
        "tag": st.sampled_from([*TAGS, None]),
        "to_number": st.sampled_from([*NUMBERS, None]),
        "missed": st.booleans(),
        "first": st.booleans(),
    },
)
options = st.fixed_dictionaries({"stop": st.booleans(), "once": st.booleans(), "enabled": st.booleans()})


def compiled(when: dict[str, Any]) -> Condition:
    # Conditions that can never hold are refused to operators; here they are as good as any.
    return compile_when(when, lambda *_: None)


def plainly(rules: list[Rule], subject: dict[str, Any], from_sender: bool, fired: set[str]) -> tuple[Any, ...]:
    """Every rule tried in the order of the file, as docs/rules.md says it."""
    matched: list[str] = []
    sends: dict[str, str] = {}
    for rule in rules:
        if not rule.enabled or not (from_sender or rule.sees_own_events) or not rule.condition.matches(subject):
            continue
        matched.append(rule.name)
        if not (rule.once and rule.name in fired):
            for destination in rule.send:
                sends.setdefault(destination, rule.name)
        if rule.stop:
            break
    return tuple(matched), tuple(Send(*pair) for pair in sends.items())


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(whens, options, st.sampled_from(["slack", "crm", "pager"])), max_size=40),
    st.lists(subjects, min_size=1, max_size=10),
    st.booleans(),
    st.sets(st.integers(0, 39).map(str)),
)
def test_routes_decide_what_trying_every_rule_would(
    written: list[Any], events: list[dict[str, Any]], from_sender: bool, fired: set[str]
) -> None:
    rules = [Rule(str(n), compiled(when), (send,), **chosen) for n, (when, chosen, send) in enumerate(written)]
    routes = Routes(rules)

    for event in events:
        decision = routes.decide(event, from_sender=from_sender, fired=fired)
        assert (decision.rules, decision.sends) == plainly(rules, event, from_sender, fired)


def test_ten_thousand_rules_leave_a_handful_to_try() -> None:
    conditions = [
        compiled({"event_type": TYPES[n % 4], "direction": ["inbound", "outbound"][n % 2], "tag": f"team-{n // 4}"})
        for n in range(10_000)
    ]
    index = Index(list(enumerate(conditions)))

    found = index.candidates({"event_type": "answered", "direction": "outbound", "tag": "team-17"})

    assert len(found) <= 4
    assert 17 * 4 + 1 in found


def test_beginnings_are_sorted_as_well() -> None:
    conditions = [compiled({"tag": f"team-{n:04}-*"}) for n in range(2_000)]

    assert Index(list(enumerate(conditions))).candidates({"tag": "team-0042-uk"}) == [42]


def test_lists_without_an_entry_leave_nothing_to_try() -> None:
    lists = {"empty": ValueList("empty", [])}
    conditions = [compile_when({"to_number": {"in": "empty"}}, lambda *_: None, lists=lists) for _ in range(6)]

    assert Index(list(enumerate(conditions))).candidates({"to_number": "+442079460958"}) == []
