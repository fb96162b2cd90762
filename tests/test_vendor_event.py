"""What the sender's own specification says of its event is what is accepted here.

Since 15 June 2026 it asks for ``id`` beside ``uuid``, which it calls deprecated; the page of the sender's manual that
the samples are of has ``uuid`` alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from router import samples
from router.errors import InvalidEvent
from router.event import EVENT_TYPES, check, read
from tests.harness import specs

SAMPLES = [(name, timed.event) for name in samples.names() for timed in samples.play(name, started_at=1_758_545_798.5)]


@pytest.fixture(scope="module")
def document() -> Any:
    return specs.load("wavix/wavix-api.json")


@pytest.fixture(scope="module")
def schema(document) -> Any:
    webhook = document["webhooks"]["OnCallEvent"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return specs.followed(document, webhook)


@pytest.fixture(scope="module")
def example(document, schema) -> dict[str, Any]:
    """The event that the examples of its fields make up."""
    known = {name: specs.followed(document, field) for name, field in schema["properties"].items()}
    return {name: field.get("example", field.get("enum", [None])[0]) for name, field in known.items()}


def faults(document: Any, schema: Any, event: Any) -> list[str]:
    """Return what the specification has against *event*."""
    judge = jsonschema.Draft202012Validator(
        {**schema, "components": document["components"]}, format_checker=jsonschema.FormatChecker()
    )
    return [error.message for error in judge.iter_errors(event)]


def body(event: dict[str, Any], *without: str, **changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (event | changes).items() if name not in without}).encode()


def test_every_event_type_of_the_specification_is_known(schema):
    assert EVENT_TYPES - {"failed", "transfer"} == set(schema["properties"]["event_type"]["enum"])


@pytest.mark.parametrize("validation", ["documented", "lenient"])
def test_every_example_of_the_specification_is_accepted(document, schema, example, validation):
    shown = [example, *events(document["paths"])]

    assert [faults(document, schema, {"id": one["uuid"], **one}) for one in shown] == [[]] * len(shown)
    assert len(shown) > 3
    for one in shown:
        check(json.dumps(one).encode(), validation=validation)


def test_whatever_the_specification_allows_in_a_field_is_accepted(document, schema, example):
    for name, field in schema["properties"].items():
        for value in allowed(document, field):
            assert faults(document, schema, example | {name: value}) == []
            check(body(example | {name: value}))


def test_what_the_specification_asks_for_is_asked_for_here_and_nothing_else(schema, example):
    optional = {name for name in schema["properties"] if accepted(body(example, name))}

    # Either of the two names of the call will do.
    assert optional == {*schema["properties"]} - {*schema["required"]} | {"id", "uuid"}
    assert not accepted(body(example, "id", "uuid"))


def test_with_both_names_of_a_call_or_either_it_is_the_same_event(example):
    bodies = [body(example), body(example, "id"), body(example, "uuid"), body(example, uuid=None)]

    for one in bodies:
        check(one)
    assert len({read(one, "wavix", 1.0).key for one in bodies}) == 1
    assert {read(one, "wavix", 1.0).call_id for one in bodies} == {example["id"]}


@pytest.mark.parametrize(
    "event",
    [json.loads(samples.documented()), *(event for _, event in SAMPLES)],
    ids=["documented", *(f"{name}-{event['event_type']}" for name, event in SAMPLES)],
)
def test_of_a_sample_the_specification_misses_the_new_name_of_the_call_alone(document, schema, event):
    assert faults(document, schema, event) == ["'id' is a required property"]
    assert faults(document, schema, event | {"id": event["uuid"]}) == []


def accepted(data: bytes) -> bool:
    try:
        check(data)
    except InvalidEvent:
        return False
    return True


def events(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every call that *node* shows anywhere as an example."""
    if isinstance(node, dict) and isinstance(node.get("event_time"), str):
        yield node
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from events(child)


def allowed(document: Any, field: Any) -> Iterator[Any]:
    """Yield a value of each kind that the schema *field* allows."""
    field = specs.followed(document, field)
    for option in field.get("oneOf", ()):
        yield from allowed(document, option)
    yield from field.get("enum", ())
    yield from [field["example"]] if "example" in field else []
    kinds = field.get("type", ())
    yield from [None] if "null" in kinds else []
    yield from [True, False] if "boolean" in kinds else []
    yield from [{name: value} | {"type": kind} for kind in field.get("properties", {}).get("type", {}).get("enum", ())
                for name, of in field["properties"].items() for value in allowed(document, of)]  # fmt: skip
