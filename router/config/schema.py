"""The configuration as a JSON Schema, plugins included, so that editors complete keys and underline mistakes.

An editor sees one file and no environment: what depends on either (names of destinations, variables, templates) is for
``callrouter check`` to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from router.config import described
from router.config.policy import MEANINGS
from router.event import EVENT_TYPES, OWN_TYPES
from router.matching.vocabulary import BLOCKS, CHOICES, EVENT, KINDS, WORDS, Kind
from router.plugin import Plugin, Settings
from router.registry import Registry

Schema = dict[str, Any]

_VARIABLE: Schema = {"type": "string", "pattern": r"\$\{"}
_NAME = "^[a-z0-9][a-z0-9-]*$"


def _or_variable(one: Schema) -> Schema:
    return {"anyOf": [one, _VARIABLE]}


def _piece(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


#: What many keys share.
_PIECES: Mapping[str, Schema] = {
    # YAML reads 0123 and 17:00 as it likes; callrouter reads what is written.
    "text": {"type": ["string", "number", "boolean"]},
    "texts": {"anyOf": [_piece("text"), {"type": "array", "items": _piece("text"), "minItems": 1}]},
    "names": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
    "duration": _or_variable({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$"}),
    "size": _or_variable({"anyOf": [{"const": 0}, {"type": "string", "pattern": r"^(0|\d{1,6}(KiB|MiB|GiB))$"}]}),
    "whole": _or_variable({"type": "integer", "minimum": 1}),
    "truth": _or_variable({"type": "boolean"}),
    "file": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string"}},
        "additionalProperties": False,
    },
    "days": {
        "anyOf": [
            _piece("texts"),
            _piece("file"),
            {"type": "array", "items": {"anyOf": [_piece("text"), _piece("file")]}, "minItems": 1},
        ]
    },
}
_TEXT, _TEXTS, _NAMES, _DAYS = _piece("text"), _piece("texts"), _piece("names"), _piece("days")
_DURATION, _WHOLE, _TRUTH = _piece("duration"), _piece("whole"), _piece("truth")
_KEPT: Schema = {"anyOf": [_DURATION, {"const": "never"}]}


def schema(registry: Registry) -> Schema:
    """Return the JSON Schema (draft 7: every editor knows it) of a configuration that may use *registry*'s plugins."""
    plugins = {kind: found.plugin for kind, found in sorted(registry.plugins.items())}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "callrouter configuration",
        "type": "object",
        "properties": _described(described.TOP, _top(plugins)),
        "additionalProperties": False,
        "definitions": {
            **_PIECES,
            "retry": _retry(),
            "breaker": _breaker(),
            "condition": _condition(),
            **{f"is-{kind}": _test(kind) for kind in sorted({*KINDS.values()})},
            **{f"to-{kind}": _destination(plugin) for kind, plugin in plugins.items()},
            "rule": _block(described.RULE, _rule(), required=("name", "when", "send")),
            "interval": _block(described.INTERVAL, _interval(), required=("from", "to")),
            "source": _block(described.SOURCE, _source()),
            "test": _block(described.TEST, _config_test(), required=("name", "expect")),
        },
    }


# The top level ------------------------------------------------------------------------------------------


def _top(plugins: Mapping[str, type[Plugin[Settings]]]) -> dict[str, Schema]:
    return {
        "include": _NAMES,
        "listen": _pattern(r":\d+$"),
        "admin": {"type": "object", "properties": {"listen": _pattern(r":\d+$")}, "additionalProperties": False},
        "store": _pattern("^(sqlite|postgres(ql)?):"),
        "data": {"type": "string"},
        "node": _pattern(r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$"),
        "spool": _TRUTH,
        "timezone": {"type": "string"},
        "region": _pattern("^[A-Z]{2}$"),
        "own_numbers": _TEXTS,
        "trusted_proxies": _NAMES,
        "plugins": {"type": "object", "properties": {"folders": _NAMES}, "additionalProperties": False},
        "calls": _block(described.CALLS, {"settle": _DURATION, "stale_after": _DURATION}),
        "retention": _block(described.RETENTION, dict.fromkeys(described.RETENTION, _KEPT)),
        "disk": _block(described.DISK, dict.fromkeys(described.DISK, _piece("size"))),
        "hours": _named(_hours()),
        "lists": _named(_DAYS),
        "sources": _named({"anyOf": [_piece("source"), {"type": "null"}]}),
        "defaults": _block(described.DESTINATION, {key: one for key, one in _common().items() if key in _DEFAULTS}),
        "destinations": _named(_any_destination(plugins)),
        "rules": {"type": "array", "items": _piece("rule")},
        "always": _NAMES,
        "unmatched": {"anyOf": [{"const": "drop"}, _NAMES]},
        "alerts": {"anyOf": [{"const": "none"}, _NAMES, _alerts()]},
        "tests": {"type": "array", "items": _piece("test")},
    }


def _alerts() -> Schema:
    keys = {"to": _NAMES, "every": _DURATION, "backlog": _DURATION, "disk": _pattern(r"^\d+(\.\d+)?%$")}
    return _block(described.ALERTS, keys, required=("to",))


def _hours() -> Schema:
    intervals = {"type": "array", "items": _piece("interval"), "minItems": 1}
    keys = {"intervals": intervals, "except": _DAYS, "timezone": {"type": "string"}}
    return {"anyOf": [intervals, _block(described.HOURS, keys, required=("intervals",))]}


def _interval() -> dict[str, Schema]:
    # YAML takes 17:30 without quotes for a number; callrouter does not, and editors differ.
    time = {"type": ["string", "number"]}
    return {
        "days": _NAMES,
        "dates": _TEXTS,
        "from": time,
        "to": time,
        "except": _DAYS,
    }


def _source() -> dict[str, Schema]:
    secret = {"type": "string"}

    def parts(*names: str) -> Schema:
        return {"type": "object", "properties": dict.fromkeys(names, _TEXT), "additionalProperties": False}

    auth = {
        "token": secret,
        "basic": parts("user", "password"),
        "header": parts("name", "value"),
        "hmac": parts("header", "secret", "algorithm", "encoding", "prefix"),
        "standard-webhooks": _several(secret),
        "allow": _NAMES,
    }
    return {
        "auth": {"anyOf": [{"const": "none"}, _block(described.AUTH, auth)]},
        "validation": {"enum": ["documented", "lenient", "strict"]},
        "accept_types": _NAMES,
        "invalid": {"enum": ["refuse", "accept"]},
    }


# Destinations -------------------------------------------------------------------------------------------

_DEFAULTS = ("retry", "expire", "open", "order", "after_dead_letter", "unknown", "answers", "breaker", "concurrency",
             "rate", "timeout", "allow_private", "ca", "certificate", "proxy", "keep_answers")  # fmt: skip


def _any_destination(plugins: Mapping[str, type[Plugin[Settings]]]) -> Schema:
    of_type = [({"const": kind}, _piece(f"to-{kind}")) for kind in plugins]
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": [*plugins], "description": described.DESTINATION["type"]}},
        "allOf": [{"if": {"required": ["type"], "properties": {"type": kind}}, "then": then} for kind, then in of_type],
    }


def _destination(plugin: type[Plugin[Settings]]) -> Schema:
    made = plugin.Settings.model_json_schema(by_alias=True)
    own = {key: _as_written(one) for key, one in made.get("properties", {}).items()}
    found: Schema = {
        "type": "object",
        "properties": {**_described(described.DESTINATION, {"type": {"const": plugin.type}, **_common()}), **own},
        # A variable that is not set switches an optional destination off; what is needed is for `check` to say.
        "additionalProperties": False,
    }
    if inner := made.get("$defs"):
        found["definitions"] = {name: _as_written(one) for name, one in inner.items()}
        found = _pointing_into(found, f"#/definitions/to-{plugin.type}/definitions/")
    return found


def _retry() -> Schema:
    waits = {"first": _DURATION, "factor": {"type": "number", "minimum": 1}, "max": _DURATION}
    return _block(described.RETRY, {**waits, "give_up_after": _DURATION, "attempts": _WHOLE})


def _breaker() -> Schema:
    keys = {"failures": _WHOLE, "within": _DURATION, "pause": _DURATION, "max": _DURATION}
    return {"anyOf": [{"const": "none"}, _block(described.BREAKER, keys)]}


def _answers() -> Schema:
    return {
        "type": "object",
        "patternProperties": {"^[2345]([0-9][0-9]|xx)$": _or_variable({"enum": [*MEANINGS]})},
        "additionalProperties": False,
        "minProperties": 1,
    }


def _common() -> dict[str, Schema]:
    pair: dict[str, Schema] = {"file": {"type": "string"}, "key": {"type": "string"}}
    return {
        "retry": _piece("retry"),
        "expire": _DURATION,
        "open": {"type": "string"},
        "answers": _answers(),
        "breaker": _piece("breaker"),
        "concurrency": _WHOLE,
        "rate": _pattern(r"^\d+/(s|m|h|d)$"),
        "order": {"enum": ["call", "none"]},
        "after_dead_letter": {"enum": ["continue", "hold"]},
        "unknown": {"enum": ["retry", "hold"]},
        "timeout": _DURATION,
        "allow_private": _TRUTH,
        "ca": {"type": "string"},
        "certificate": {"anyOf": [{"type": "string"}, _block({}, pair, required=("file", "key"))]},
        "proxy": {"type": "string"},
        "keep_answers": _TRUTH,
        "enabled": _TRUTH,
        "optional": _TRUTH,
        "description": _TEXT,
        "formerly": {"type": "string", "pattern": _NAME},
    }


def _as_written(made: Any) -> Any:
    """Return what pydantic says of a value, widened by what YAML and variables make of it."""
    if isinstance(made, list):
        return [_as_written(one) for one in made]
    if not isinstance(made, Mapping):
        return made
    widened = {key: _as_written(one) for key, one in made.items() if key not in ("title", "default")}
    kind = widened.get("type")
    if kind == "string" and not {"enum", "const"} & set(widened):
        widened["type"] = ["string", "number", "boolean"]
    elif kind in ("integer", "number", "boolean") or ("enum" in widened and kind == "string"):
        description = {"description": widened.pop("description")} if "description" in widened else {}
        return {"anyOf": [widened, _VARIABLE], **description}
    return widened


def _pointing_into(found: Any, place: str) -> Any:
    if isinstance(found, list):
        return [_pointing_into(one, place) for one in found]
    if not isinstance(found, Mapping):
        return found
    return {
        key: one.replace("#/$defs/", place) if key == "$ref" and isinstance(one, str) else _pointing_into(one, place)
        for key, one in found.items()
    }


# Rules --------------------------------------------------------------------------------------------------


def _rule() -> dict[str, Schema]:
    other = {"type": "object", "required": ["to"], "properties": {"to": {"type": "string"}}, "minProperties": 2}
    return {
        "name": {"type": "string", "pattern": _NAME},
        "when": _piece("condition"),
        "send": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1,
                                                "items": {"anyOf": [{"type": "string"}, other]}}]},
        "stop": _TRUTH,
        "once": {"const": "call"},
        "enabled": _TRUTH,
        "description": _TEXT,
        "owner": _TEXT,
        "labels": {"type": "object", "additionalProperties": _TEXT},
    }  # fmt: skip


def _condition() -> Schema:
    inner: Schema = _piece("condition")
    keys: dict[str, Schema] = {key: _piece(f"is-{kind}") for key, kind in KINDS.items()}
    for key, choices in CHOICES.items():
        keys[key] = _test("choice", choices)
    keys["event_type"] = _test("choice", sorted(EVENT_TYPES | OWN_TYPES), others=True)
    several = {"type": "array", "items": inner, "minItems": 1}
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {**keys, **dict(zip(BLOCKS, (several, several, inner), strict=True))},
        "patternProperties": {rf"^(event_payload|{EVENT})\.[^.]": _piece("is-open")},
        "additionalProperties": False,
    }


def _test(kind: Kind, choices: Iterable[str] = (), *, others: bool = False) -> Schema:
    """Return what may stand under a key of *kind*: a value, a list, or a block of words."""
    value = _value(kind, tuple(choices), others=others)
    simple = {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}
    words: dict[str, Schema] = dict.fromkeys(WORDS[kind], _TEXTS)
    for word in ("not", "outside"):
        if word in words:
            words[word] = {"anyOf": [*simple["anyOf"], {"type": "object"}]}
    if "exists" in words:
        words["exists"] = {"type": "boolean"}
    return {"anyOf": [*simple["anyOf"], _block(described.WORDS, words)]}


def _value(kind: Kind, choices: tuple[str, ...], *, others: bool) -> Schema:
    if kind == "truth":
        return {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]}
    if choices:
        some: list[Schema] = [{"enum": list(choices)}, _pattern(r"[*?]|\$\{|^[a-z]{3}-[a-z]{3}$")]
        return {"anyOf": [*some, {"type": "string"}] if others else some}
    return _TEXT


# Tests --------------------------------------------------------------------------------------------------


def _config_test() -> dict[str, Schema]:
    anything: Schema = {"type": "object"}
    return {
        "name": _TEXT,
        "call": {"type": "string"},
        "events": {"type": "array", "items": anything, "minItems": 1},
        "with": anything,
        "source": {"type": "string"},
        "at": {"type": "string"},
        "expect": {"anyOf": [{"type": "string"}, {"type": "array"}, anything]},
        "rendered": anything,
    }


# Pieces -------------------------------------------------------------------------------------------------


def _block(descriptions: Mapping[str, str], keys: Mapping[str, Schema], *, required: Iterable[str] = ()) -> Schema:
    block: Schema = {"type": "object", "properties": _described(descriptions, keys), "additionalProperties": False}
    return {**block, "required": [*required]} if required else block


def _described(descriptions: Mapping[str, str], keys: Mapping[str, Schema]) -> dict[str, Schema]:
    return {key: {**one, "description": descriptions[key]} if key in descriptions else one for key, one in keys.items()}


def _named(one: Schema) -> Schema:
    return {"type": "object", "propertyNames": {"pattern": _NAME}, "additionalProperties": one, "minProperties": 1}


def _several(one: Schema) -> Schema:
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def _pattern(pattern: str) -> Schema:
    return _or_variable({"type": "string", "pattern": pattern})
