"""The tables of the manual have exactly the words that the code has."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from router import calls, event, matching, samples
from router.calls import Call
from router.config import alerts, hours, policy, rules, settings, sources
from router.filters import filters
from router.matching.vocabulary import CHOICES, WORDS
from router.retry import BreakerPolicy
from router.store import State
from router.testing import make_delivery
from router.units import spell
from tests import manual, played
from tests.manual import ROOT

CONFIGURATION = manual.tables(ROOT / "docs" / "configuration.md")
OPERATIONS = ROOT / "docs" / "operations.md"
RULES = manual.tables(ROOT / "docs" / "rules.md")
TEMPLATES = manual.tables(ROOT / "docs" / "templates.md")


def first_words(rows: list[tuple[str, ...]]) -> list[str]:
    return [word for row in rows for word in manual.words(row[0])]


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        # The package's own `load` hides the module of that name.
        ("Top level", importlib.import_module("router.config.load")._KEYS),
        ("Calls", ("settle", "stale_after")),
        ("Alerts", alerts._KEYS),
        ("Intervals", hours._INTERVAL_KEYS),
        ("Time zones and holidays", hours._KEYS),
        ("Sources", sources._KEYS),
        ("Auth", sources._WAYS),
        ("Destinations", settings.COMMON),
        ("Retry", policy.RETRY),
        ("Breaker", policy.BREAKER),
    ],
)
def test_the_configuration_page_has_every_key_and_no_other(heading: str, keys: tuple[str, ...]) -> None:
    assert sorted(first_words(CONFIGURATION[heading])) == sorted(keys)


def test_the_defaults_on_the_configuration_page_are_the_real_ones(tmp_path: Path) -> None:
    loaded = played.load("destinations: {somebody: {type: console}}\nalways: [somebody]", tmp_path)
    destination = loaded.destinations["somebody"]
    real: dict[str, Any] = {
        "settle": spell(loaded.settle),
        "stale_after": spell(loaded.stale_after),
        "every": spell(loaded.alerts.every),
        "backlog": spell(loaded.alerts.backlog),
        "disk": f"{loaded.alerts.disk:.0%}",
        "validation": loaded.sources["phone"].validation,
        "invalid": loaded.sources["phone"].invalid,
        "after_dead_letter": destination.after_dead_letter,
        "unknown": destination.unknown,
        "concurrency": str(destination.concurrency),
        "timeout": spell(destination.timeout),
        "allow_private": str(destination.allow_private).lower(),
        "first": spell(destination.retry.first),
        "factor": f"{destination.retry.factor:g}",
        "max": spell(destination.retry.max),
        "give_up_after": spell(destination.retry.give_up_after),
    }
    others = {heading: rows for heading, rows in CONFIGURATION.items() if heading != "Breaker"}
    stated = {row[0].strip("`"): row[1].strip("`") for rows in others.values() for row in rows}

    assert {key: stated[key] for key in real} == real


def test_the_breaker_on_the_configuration_page_is_the_real_one() -> None:
    usual = BreakerPolicy()

    assert {row[0].strip("`"): row[1].strip("`") for row in CONFIGURATION["Breaker"]} == {
        "failures": str(usual.failures),
        "within": spell(usual.within),
        "pause": spell(usual.pause),
        "max": spell(usual.max),
    }


def test_the_configuration_page_has_every_word_for_an_answer() -> None:
    assert first_words(CONFIGURATION["Answers"]) == list(policy.MEANINGS)


def test_the_rules_page_has_every_key_of_a_condition_and_no_other() -> None:
    assert sorted(first_words(RULES["What a condition can ask"])) == sorted(matching.KEYS)


def test_the_rules_page_has_every_word_that_holds_a_value_against_something() -> None:
    words = {word for words in WORDS.values() for word in words}

    explained = [row for row in RULES["Words"] if len(row) == 3]
    assert sorted(first_words(explained)) == sorted(words)


def test_the_rules_page_has_every_key_of_a_rule() -> None:
    assert sorted(first_words(RULES["What a rule has"])) == sorted(rules._KEYS)


def test_the_rules_page_has_every_fact() -> None:
    event_ = event.read(samples.documented(), "phone", 0.0)
    call, _ = calls.advance(None, event_, own_numbers=frozenset(), region=None, settle=0.0)
    known = calls.facts(call, event_, calls.OWN, zone=played.ZONE, region=None)
    stated = set(first_words(RULES["Facts"]))
    missing = {name for name in known if name not in stated and not name.endswith("_international")}

    assert missing == set()


def test_the_rules_page_has_every_outcome() -> None:
    assert set(CHOICES["outcome"]) <= set(first_words(RULES["Facts"]))


def test_the_templates_page_has_every_name_and_every_filter_of_ours() -> None:
    names = {row[0].strip("`"): manual.words(row[1]) for row in TEMPLATES["Names"]}

    assert names.keys() == make_delivery().names.keys()
    assert names["call"] == list(Call("phone", "1").as_mapping())
    assert names["delivery"] == list(make_delivery().names["delivery"])
    assert {*filters(str.format)} <= set(first_words(TEMPLATES["Filters"]))


def test_the_pages_name_every_end_of_a_delivery() -> None:
    text = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")

    assert [state.word for state in State if state.finished and f"`{state.word}`" not in text] == []


def test_every_metric_in_the_operations_page_exists() -> None:
    operations = OPERATIONS.read_text(encoding="utf-8")
    reference = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")

    named = set(re.findall(r"callrouter_[a-z_]+", operations))
    assert {name for name in named if f"`{name}`" not in reference} == set()


def sentence(node: ast.expr) -> str:
    """The text that *node* makes, with an ellipsis for each part that depends."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(sentence, node.values))
    return sentence(node.left) + "…" if isinstance(node, ast.BinOp) else "…"


def test_the_operations_page_has_everything_that_status_can_say() -> None:
    source = (ROOT / "router" / "status" / "troubles.py").read_text(encoding="utf-8")
    made = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    troubles = [node for node in made if isinstance(node.func, ast.Name) and node.func.id == "Trouble"]
    said = {sentence(trouble.args[1]).replace('"', "").rstrip("…").rstrip() for trouble in troubles}
    stated = {row[0].rstrip("…").rstrip() for row in manual.tables(OPERATIONS)["Three in the morning"]}

    assert said == stated
