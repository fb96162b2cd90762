"""``tests:``, read into the events that would be received and the deliveries that must follow."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from router import clock, samples, units
from router.config import scalars
from router.config.fields import Fields, read_scalar
from router.config.located import Block, Items, Text, Value
from router.config.model import ConfigTest, Destination, Source
from router.config.problems import Place, Problems, guess
from router.errors import InvalidEvent
from router.event import CallEvent, check, read

_KEYS = ("name", "call", "events", "with", "source", "at", "expect", "rendered")

#: The call of a test that names none.
_CALL_ID = "00000000-0000-4000-8000-000000000001"
#: Fields that are text even where they look like something else: ``+44…`` and ``2`` are no numbers here.
_TEXTS = frozenset({"uuid", "id", "event_type", "event_time", "from", "to", "call_started", "call_answered",
                    "call_completed", "call_finished", "tag", "direction"})  # fmt: skip
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?")
#: The year 2200. Later moments are refused, and none is counted on from.
_LATEST = 7_258_118_400.0
_ENDS = frozenset({"completed", "busy", "cancelled", "rejected", "failed"})
#: What later events of a call say again, unless they say something else.
_KEPT = ("from", "to", "call_started", "call_answered", "machine_detected", "tag", "direction")


class TestReader:
    """Reads the tests of a configuration. ``destinations`` may lack some of the ``named`` ones: those with mistakes."""

    #: Not a test class, whatever its name begins with.
    __test__ = False

    def __init__(
        self, path: Path, problems: Problems, *, destinations: Mapping[str, Destination], named: Mapping[str, Any],
        sources: Mapping[str, Source], zone: tzinfo,
    ) -> None:  # fmt: skip
        self._destinations = destinations
        self._named = named
        self._sources = sources
        self._zone = zone
        self._path = path
        self._problems = problems

    def read(self, root: Fields) -> tuple[ConfigTest, ...]:
        """Return the tests, as far as they could be read."""
        value = root.value("tests")
        if value is not None and not isinstance(value, Items):
            self._problems.error(value, '"tests" needs a list', 'every test begins with "- name:"')
        tests, names = list[ConfigTest](), dict[str, Text]()
        for entry in value if isinstance(value, Items) else ():
            if not isinstance(entry, Block):
                self._problems.error(entry, "a test needs a block of keys", f"allowed are {', '.join(_KEYS)}")
            elif (test := self._test(entry, names)) is not None:
                tests.append(test)
        return tuple(tests)

    def _test(self, block: Block, names: dict[str, Text]) -> ConfigTest | None:
        name = block.get("name")
        where = f'test "{name.written}"' if isinstance(name, Text) and name else "this test"
        fields = Fields(block, self._problems, where=where, known=_KEYS)
        if fields.require("name", block, "a test's name says what it proves"):
            fields.read("name", scalars.text)
        if isinstance(name, Text):
            if name in names:
                first = names[name].place.line
                self._problems.error(name, f'two tests are named "{name}", the other one at line {first}', "rename one")
            names.setdefault(str(name), name)
        place: Place = (name if isinstance(name, Text) else block).place
        events = self._events(fields, block, place)
        expect = self._expect(fields, place)
        rendered = self._rendered(fields)
        if events is None or expect is None:
            return None
        return ConfigTest(
            str(name), place.file or str(self._path), place.line, place.column, events, expect, rendered
        )  # fmt: skip

    # What is received -------------------------------------------------------------------------------------

    def _events(self, fields: Fields, block: Block, place: Place) -> tuple[CallEvent, ...] | None:
        source = self._source(fields)
        at = fields.read("at", lambda text: units.moment(text, self._zone), self._noon())
        changed = fields.block("with") or Block()
        changes = {str(name): _json(value, str(name)) for name, value in changed.items()}
        sample = fields.read("call", scalars.choice(*samples.names()))
        entries = [entry for entry in fields.entries("events") if self._is_event(entry)]
        given = ("call" in block) + ("events" in block)
        if given != 1:
            text = "both a call and events" if given else 'neither "call" nor "events"'
            self._problems.error(place, f"this test has {text}", f"write call: {samples.names()[0]}, or a list events:")
        if source is None or given != 1 or not (sample or entries):
            return None
        if sample is not None:
            played = samples.play(sample, started_at=at, uuid=_CALL_ID)
            sent = [{**timed.event, **changes} for timed in played]
            entries = [Block()] * len(sent)
        else:
            sent = _filled([{str(n): _json(v, str(n)) for n, v in one.items()} | changes for one in entries], at)
        events = list[CallEvent]()
        for entry, body in zip(entries, sent, strict=True):
            event = self._event(body, source, events[-1].received_at if events else 0.0, (entry, changed), place)
            if event is None:
                return None
            events.append(event)
        return tuple(events)

    def _noon(self) -> float:
        """A Monday at noon, whatever the time is."""
        return datetime(2026, 1, 5, 12, tzinfo=self._zone).timestamp()

    def _source(self, fields: Fields) -> Source | None:
        name = fields.read("source", scalars.choice(*self._sources)) if self._sources else None
        return self._sources[name] if name else next(iter(self._sources.values()), None)

    def _is_event(self, entry: Value) -> bool:
        if not isinstance(entry, Block):
            self._problems.error(entry, "an event needs a block of fields", "write for example - event_type: ringing")
            return False
        if "event_type" not in entry:
            self._problems.error(entry, "this event has no event_type", "write for example event_type: ringing")
        return "event_type" in entry

    def _event(
        self, fields: dict[str, Any], source: Source, earliest: float, blocks: Sequence[Block], place: Place
    ) -> CallEvent | None:
        """Return the event, received when it happened but not before *earliest*; report it where it is none."""
        body = json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")
        try:
            check(body, validation=source.validation, accept_types=source.accept_types)
        except InvalidEvent as ex:
            for fault in ex.faults:
                name = re.split(r"[.\[]", fault.path)[0]
                at = next((block[name] for block in reversed(blocks) if name in block), blocks[0])
                text = f"{fault.path} {fault.text}" if fault.path else f"this event {fault.text}"
                self._problems.error(at if hasattr(at, "place") else place, f"no such event would be accepted: {text}")
            return None
        event = read(body, source.name, 0.0)
        event.received_at = max(event.event_time, earliest)
        return event

    # What must follow -------------------------------------------------------------------------------------

    def _expect(self, fields: Fields, place: Place) -> dict[str, int | None] | None:
        if not fields.require("expect", place, "write expect: [destination], or expect: [] for nobody"):
            return None
        value = fields.value("expect")
        if isinstance(value, Block):
            counted = dict[str, int | None]()
            for name, number in value.items():
                count = read_scalar(name, number, scalars.whole(0, 100_000), self._problems, None)
                if self._is_destination(value.key(name)):
                    counted[str(name)] = count
            return counted
        names = value if isinstance(value, Items) else [] if value is None else [value]
        return {str(name): None for name in names if self._is_destination(name)}

    def _is_destination(self, name: Value) -> bool:
        if not isinstance(name, Text):
            self._problems.error(name, '"expect" takes names of destinations', "or a block such as {crm: 2}")
            return False
        if name.unset or name in self._named or not self._named:
            return not name.unset and bool(self._named)
        hint = "write [] for nobody" if name in ("none", "nobody", "drop", "") else guess(name, self._named)
        self._problems.error(name, f'there is no destination "{name.written}"', hint)
        return False

    def _rendered(self, fields: Fields) -> dict[str, dict[str | None, str]]:
        block = fields.block("rendered") or Block()
        wanted = dict[str, dict[str | None, str]]()
        for name, value in block.items():
            if not self._is_destination(block.key(name)):
                continue
            if isinstance(value, Block):
                wanted[str(name)] = {
                    str(setting): text for setting, inner in value.items()
                    if self._is_setting(str(name), value.key(setting))
                    if (text := read_scalar(setting, inner, str, self._problems, None)) is not None
                }  # fmt: skip
            elif (text := read_scalar(name, value, str, self._problems, None)) is not None:
                wanted[str(name)] = {None: text}
        return wanted

    def _is_setting(self, destination: str, setting: Text) -> bool:
        known = self._destinations.get(destination)
        if known is None:
            return False
        names = [field.alias or name for name, field in known.plugin.Settings.model_fields.items()]
        if re.split(r"[.\[]", setting)[0] in names:
            return True
        self._problems.error(setting, f'destination "{destination}" has no setting "{setting}"', guess(setting, names))
        return False


def _json(value: Value, name: str = "") -> Any:
    """Return *value* as JSON has it; *name* is the event's field where it is one."""
    if isinstance(value, Block):
        return {str(key): _json(inner) for key, inner in value.items()}
    if isinstance(value, Items):
        return [_json(inner) for inner in value]
    if value.null:
        return None
    if name in _TEXTS or value.style not in (None, ""):
        return str(value)
    if value in ("true", "false"):
        return value == "true"
    return json.loads(value) if _NUMBER.fullmatch(value) else str(value)


def _filled(given: Sequence[dict[str, Any]], start: float) -> list[dict[str, Any]]:
    """Return the events with every documented field: a second after each other, and saying what their call said."""
    said: dict[str, dict[str, Any]] = {}
    filled, now = list[dict[str, Any]](), start - 1.0
    for event in given:
        now = _moment(event.get("event_time"), now + 1.0)
        call_id = event.get("uuid") or event.get("id") or _CALL_ID
        call = said.setdefault(str(call_id), {})
        outbound = event.get("direction", call.get("direction")) == "outbound"
        ends = (samples.OFFICE, samples.CUSTOMER) if outbound else (samples.CUSTOMER, samples.OFFICE)
        time, kind = clock.text(now), event["event_type"]
        usual = {
            "uuid": call_id, "event_type": kind, "event_time": time, "event_payload": None,
            "from": ends[0], "to": ends[1], "call_started": time,
            "call_answered": time if kind == "answered" else None,
            "call_completed": time if str(kind) in _ENDS else None,
            "machine_detected": False, "tag": "", "direction": "inbound",
        }  # fmt: skip
        earlier = {name: value for name, value in call.items() if name != "call_answered" or value is not None}
        whole = {**usual, **earlier, **event}
        call.update({name: whole[name] for name in _KEPT})
        filled.append(whole)
    return filled


def _moment(value: Any, usual: float) -> float:
    try:
        found = clock.parse(value) if isinstance(value, str) else usual
    except (ValueError, OverflowError):
        return usual
    return found if 0 < found < _LATEST else usual
