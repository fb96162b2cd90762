"""Records in Salesforce, one or many of them in a request.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from plugins.salesforce.answers import lacks_fields, saved
from plugins.salesforce.queries import VALUES, oldest
from plugins.salesforce.task import OF_CALL_CENTERS
from router.crm import Kept, given, identifier, parts
from router.plugin import PermanentFailure

#: Salesforce takes no more in one request.
MOST = 200

#: The id of a record, None for one that is to be made, and what it is to say.
Record = tuple[str | None, Mapping[str, Any]]


class _Ask(Protocol):
    def __call__(self, method: str, address: str, *, json: Any = None, writes: bool = False) -> Any: ...


class _At(Protocol):
    def __call__(self, *steps: str, **query: str) -> str: ...


class Records:
    """Reads and writes by way of *ask*, *at* addresses; tasks name their call in *field*."""

    def __init__(self, ask: _Ask, at: _At, field: str) -> None:
        self._ask, self._at, self._field = ask, at, field
        #: Until the org refuses the fields that go with it.
        self._has_call_center = True

    def known(self, kind: str, field: str, values: Sequence[str]) -> dict[str, str]:
        """Return value → the id of the oldest *kind* whose *field* has it. Unlike a search, this knows it at once."""
        found: dict[str, str] = {}
        for some in parts(values, VALUES):
            answer = self._ask("GET", self._at("query", "", q=oldest(kind, field, some)))
            for one in given((answer or {}).get("records")):
                found.setdefault(str(one.get(field)), identifier(one, "Id"))
        return found

    def write(self, record: Record) -> str:
        """Write one task and return its id."""
        try:
            return self._written(record)
        except PermanentFailure as ex:
            if not (self._has_call_center and lacks_fields(ex)):
                raise
        self._has_call_center = False
        return self._written(record)

    def write_all(self, kind: str, records: Sequence[Record]) -> list[Kept]:
        """Write *records* of *kind* and return what became of each, in their order."""
        kept: dict[int, Kept] = {}
        for method in ("POST", "PATCH"):
            places = [place for place, (known, _) in enumerate(records) if (known is None) == (method == "POST")]
            for some in parts(places, MOST):
                said = self._sent(method, kind, [records[place] for place in some])
                kept |= zip(some, said, strict=True)
        return [kept[place] for place in range(len(records))]

    def _written(self, record: Record) -> str:
        known, json = record[0], self._fields(record)
        if known is None:
            return identifier(self._ask("POST", self._at("sobjects", "Task"), json=json, writes=True), "id")
        self._ask("PATCH", self._at("sobjects", "Task", known), json=json, writes=True)
        return known

    def _sent(self, method: str, kind: str, records: Sequence[Record]) -> list[Kept]:
        try:
            kept = self._collected(method, kind, records)
        except PermanentFailure as ex:
            if not (self._has_call_center and lacks_fields(ex)):
                raise
            kept = [ex] * len(records)
        refused = [place for place, one in enumerate(kept) if self._has_call_center and lacks_fields(one)]
        if refused:
            self._has_call_center = False
            again = self._collected(method, kind, [records[place] for place in refused])
            for place, one in zip(refused, again, strict=True):
                kept[place] = one
        return kept

    def _collected(self, method: str, kind: str, records: Sequence[Record]) -> list[Kept]:
        sent = [
            {"attributes": {"type": kind}, **({"id": record[0]} if record[0] else {}), **self._fields(record)}
            for record in records
        ]
        body = {"allOrNone": False, "records": sent}
        answer = self._ask(method, self._at("composite", "sobjects"), json=body, writes=True)
        return saved(answer, len(records), self._field)

    def _fields(self, record: Record) -> dict[str, Any]:
        known, said = record
        fixed = () if known is None else ("TaskSubtype", self._field)
        left_out = (*fixed, *(() if self._has_call_center else OF_CALL_CENTERS))
        return {name: value for name, value in said.items() if name not in left_out}
