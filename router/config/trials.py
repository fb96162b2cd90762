"""Events of every kind, for templates to be tried on before the first real one comes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from router import samples
from router.calls import Call, tell
from router.config.model import Config
from router.deciding import Decided, Decider
from router.event import EVENT_TYPES, read
from router.routes import Routes

#: A Monday, 2 March 2026 at 14:05 UTC. Nothing here may depend on when a configuration is read.
_AT = 1_772_460_300.0
_SOURCE = "sample"


@dataclass(frozen=True, slots=True)
class Trial:
    """One event that a destination could hear of."""

    event_type: str
    #: Whether callrouter says it itself.
    own: bool
    #: What rules are asked about.
    subject: Mapping[str, Any]
    #: What a template can use.
    names: Mapping[str, Any]

    def in_words(self, mentioned: str) -> str:
        """Return what kind of event it is, with what *mentioned* speaks of that is null in it."""
        nulls = [
            name if root == "event" else f"{root}.{name}"
            for root in ("event", "facts", "call")
            for name, value in self.names[root].items()
            if value is None and re.search(rf"\b{root}\.{re.escape(name)}\b", mentioned)
        ]
        article = "an" if self.event_type[0] in "aeio" else "a"
        said = f"on {article} {self.event_type} event"
        return f"{said}, whose {' and '.join(nulls)} {'are' if len(nulls) > 1 else 'is'} null" if nulls else said


def trials(config: Config) -> tuple[Trial, ...]:
    """Return events of every kind that its sources, or callrouter, can tell of, as *config* understands them.

    No two are alike in their type, in what of them is null, and in how the call went.
    """
    types = EVENT_TYPES.union(*(source.accept_types for source in config.sources.values()))
    # Nobody asks here who hears of them.
    decider = replace(config.decider, routes=Routes(()))
    found: dict[tuple[Any, ...], Trial] = {}
    for decided in _decided(decider, sorted(types)):
        event = decided.event.fields
        trial = Trial(
            decided.event.event_type,
            decided.step.own,
            decided.subject,
            decided.delivery("destination", "rule").names,
        )
        nulls = tuple(name for name, value in event.items() if value is None)
        shape = (
            trial.event_type,
            nulls,
            event["direction"],
            decided.facts["customer_number"] is None,
            *map(decided.facts.get, ("answered", "missed", "outcome")),
        )
        found.setdefault(shape, trial)
    return tuple(found.values())


def _decided(decider: Decider, types: Iterable[str]) -> Iterator[Decided]:
    for name in samples.names():
        yield from _call(decider, _events(name))
    yield from _call(decider, _events("missed", tag=None))
    yield from _call(decider, _events("missed", **{"from": "anonymous"}))
    yield from _call(decider, _events("answered", tag=None, direction=None))
    documented = json.loads(samples.documented())
    for event_type in types:
        yield from _call(decider, [documented | {"event_type": event_type}])
        yield from _call(decider, [documented | {"event_type": event_type, "event_payload": None, "tag": None}])


def _events(name: str, **changes: Any) -> list[dict[str, Any]]:
    uuid = "5dccb6b0-f35c-488c-867b-86fb012c4415"
    return [timed.event | changes for timed in samples.play(name, started_at=_AT, uuid=uuid)]


def _call(decider: Decider, events: Iterable[Mapping[str, Any]]) -> Iterator[Decided]:
    """Yield what each of *events* means, and the end of their call with a correction where they end it."""
    call: Call | None = None
    for event in events:
        decided = decider.decide(call, read(json.dumps(event).encode(), _SOURCE, _AT))
        call = decided.following
        yield decided
    if call is not None and call.outcome is not None:
        call = decider.counted(call, lambda _: (0, 0))
        yield decider.decide_end(call, _AT)
        yield decider.decide_end(tell(call), _AT)
