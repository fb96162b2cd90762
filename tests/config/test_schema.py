"""The JSON Schema for editors says what the loader says, as far as one file alone can tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from router.config import described, hours, load, located, policy, rules, settings, sources, tests
from router.config.problems import Problems
from router.config.schema import schema
from router.matching.vocabulary import KINDS, WORDS
from router.registry import discover
from tests import manual
from tests.config.plugins import REGISTRY
from tests.config.test_fuzz import RIGHT
from tests.config.test_mistakes import registry_of
from tests.manual import ROOT

MISTAKES = Path(__file__).parent.parent / "configs"
#: What a schema can see: a key that no block has, or that stands in the wrong place.
VISIBLE = re.compile(r"unknown key|unknown word|does not fit|cannot stand|neither true nor false|either true or false")
#: What it cannot: these need more than the one file, or its text as it was written.
BLIND = {"include-with-mistakes-of-its-own"}


def as_editors_read(value: Any) -> Any:
    """Return what YAML 1.2 makes of *value*: that is what editors hold against a schema."""
    if isinstance(value, located.Block):
        return {str(key): as_editors_read(one) for key, one in value.items()}
    if isinstance(value, located.Items):
        return [as_editors_read(one) for one in value]
    if value.style not in (None, ""):
        return str(value)
    if value.null:
        return None
    if value in ("true", "false"):
        return value == "true"
    if re.fullmatch(r"[-+]?[0-9]+", value):
        return int(value)
    return float(value) if re.fullmatch(r"[-+]?[0-9]+\.[0-9]*", value) else str(value)


def faults(text: str, made: dict[str, Any]) -> list[str]:
    root = located.read(text, Problems("config.yaml", text))
    assert root is not None
    return [error.message for error in Draft7Validator(made).iter_errors(as_editors_read(root))]


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    return schema(discover())


@pytest.fixture(scope="module")
def of_tests() -> dict[str, Any]:
    return schema(REGISTRY)


def test_it_is_a_schema(ours: dict[str, Any]) -> None:
    Draft7Validator.check_schema(ours)


def test_the_shipped_configuration_names_the_schema_beside_it_and_fits(ours: dict[str, Any]) -> None:
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", text.splitlines()[0])

    assert named is not None
    assert (ROOT / named[1]).is_file()
    assert faults(text, ours) == []


@pytest.mark.parametrize("block", [block for block in manual.blocks("yaml") if block.ours], ids=str)
def test_every_configuration_in_the_manual_fits(block: manual.Block, ours: dict[str, Any]) -> None:
    if "plugins:" in block.text:
        pytest.skip("its plugin is written by the reader of that page, so our schema cannot know it")
    assert faults(block.text, ours) == []


def test_a_configuration_with_everything_in_it_fits(of_tests: dict[str, Any]) -> None:
    assert faults(RIGHT, of_tests) == []


def visible(path: Path) -> bool:
    """Whether a schema can see the mistake in the file *path*: of the others only the loader can tell."""
    if path.stem in BLIND or not VISIBLE.search(path.with_suffix(".expected").read_text(encoding="utf-8")):
        return False
    text = as_text(path)
    return located.read(text, Problems("", text)) is not None


def as_text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


@pytest.mark.parametrize(
    "path", [path for path in sorted(MISTAKES.glob("*.yaml")) if visible(path)], ids=lambda path: path.stem
)
def test_a_mistake_that_one_file_shows_is_underlined(path: Path) -> None:
    assert faults(as_text(path), schema(registry_of(path.name)))


def test_every_key_is_described_and_no_other(ours: dict[str, Any]) -> None:
    defined = ours["definitions"]

    assert set(ours["properties"]) == set(described.TOP) == set(load.__globals__["_KEYS"])
    assert set(defined["rule"]["properties"]) == set(described.RULE) == set(rules._KEYS)
    assert set(defined["interval"]["properties"]) == set(described.INTERVAL) == set(hours._INTERVAL_KEYS)
    assert set(described.HOURS) == set(hours._KEYS)
    assert set(defined["source"]["properties"]) == set(described.SOURCE) == set(sources._KEYS)
    assert set(described.AUTH) == set(sources._WAYS)
    assert set(described.DESTINATION) == set(settings.COMMON)
    assert set(defined["retry"]["properties"]) == set(described.RETRY) == set(policy.RETRY)
    assert set(described.BREAKER) == set(policy.BREAKER)
    assert set(defined["test"]["properties"]) == set(described.TEST) == set(tests._KEYS)
    assert set(described.WORDS) == {word for words in WORDS.values() for word in words}
    assert set(KINDS) <= set(defined["condition"]["properties"])


def test_a_setting_of_a_plugin_has_its_own_help(ours: dict[str, Any]) -> None:
    assert "incoming webhook" in ours["definitions"]["to-slack"]["properties"]["url"]["description"]


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        ("rules: [{name: a, when: {event_payload.type: collect, event.size: {gt: 5}}, send: [crm]}]", True),
        ("rules: [{name: a, when: {any: [{tag: a}, {not: {tag: b}}]}, send: [crm, {to: crm, body: x}]}]", True),
        ("rules: [{name: a, when: {any: [{tag: a}, {not: {tga: b}}]}, send: [crm]}]", False),
        ("rules: [{name: a, when: {direction: inbund}, send: [crm]}]", False),
        ("rules: [{name: a, when: {tag: a}}]", False),
        ('destinations: {crm: {type: web, copies: "${COPIES:-2}"}}', True),
        ("destinations: {crm: {type: web, copies: several}}", False),
        ("destinations: {crm: {type: web, timeout: 5}}", False),
        ("destinations: {crm: {type: webb}}", False),
        ("hours: {business: [{days: mon-fri, from: 09:00, to: 17:30}]}", True),
        ("hours: {business: [{days: mon-fri, form: 09:00, to: 17:30}]}", False),
    ],
)
def test_editors_underline_what_the_loader_refuses(line: str, fits: bool, of_tests: dict[str, Any]) -> None:
    assert (faults(line, of_tests) == []) is fits
