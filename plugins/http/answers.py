"""What a receiver says in a 2xx: some refuse with 200 and ``{"ok": false}``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from router.plugin import Answer, DeliveryFailed, DestinationUnusable, PermanentFailure, TemporaryFailure

#: So much of what an answer says goes into a reason.
_LONGEST = 100

_FAILURES: Mapping[str, type[DeliveryFailed]] = {
    "dead": PermanentFailure,
    "again": TemporaryFailure,
    "pause": DestinationUnusable,
}


def judge(answer: Answer, expect: Mapping[str, tuple[str, ...]], unexpected: Literal["dead", "again", "pause"]) -> None:
    """Return when *answer* has everything in it that *expect* names; else raise what *unexpected* stands for."""
    said = _read(answer.body) if expect else None
    for path, values in expect.items():
        found = _text(_at(said, path))
        if found not in values:
            wanted = " or ".join(values)
            text = f"it answered {answer.status}, but {path} is {found[:_LONGEST]}, where {wanted} is expected"
            if said is None:
                text = f"it answered {answer.status}, but with no JSON, where {path}: {wanted} is expected"
            raise _FAILURES[unexpected](text, status=answer.status)


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _at(said: Any, path: str) -> Any:
    """Return what stands in *said* at the end of *path* (``result.0.state``); None where nothing does."""
    for step in path.split("."):
        if isinstance(said, Mapping):
            said = said.get(step)
        elif isinstance(said, list) and step.isdecimal() and int(step) < len(said):
            said = said[int(step)]
        else:
            return None
    return said


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
