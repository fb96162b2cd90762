"""Calls and contacts in Zoho CRM, up to a hundred in a request, each with an answer of its own.

https://www.zoho.com/crm/developer/docs/api/v8/upsert-records.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from plugins.zoho.answers import code, kept_as, listed
from router.crm import Kept, json_of
from router.plugin import AnswerLost, PermanentFailure

#: Zoho takes no more in one request.
MOST = 100
#: What Zoho lets nobody change in a call that is over.
FIXED = ("Call_Type", "Call_Start_Time", "Owner")

#: The id of a call where it is known, the value that names it, and what it is to say.
Record = tuple[str | None, str, Mapping[str, Any]]


class _Ask(Protocol):
    def __call__(self, method: str, address: str, *, json: Any = None, writes: bool = False) -> Any: ...


class Records:
    """Writes by way of *ask*, *at* addresses; calls are named in the unique *field*. No workflow is started."""

    def __init__(self, ask: _Ask, at: Callable[..., str], field: str) -> None:
        self._ask, self._at, self._field = ask, at, field

    def write(self, records: Sequence[Record]) -> list[Kept]:
        """Write *records*, at most ``MOST``, each once, and return what became of each, in their order."""
        kept: dict[int, Kept] = {}
        known = {place: record for place, (record, _, _) in enumerate(records) if record}
        said = {place: said for place, (_, _, said) in enumerate(records)}
        open_ = [place for place in said if place not in known]
        for fixed in (True, False):
            tried, open_ = open_, []
            data = [{**(said[place] if fixed else _loose(said[place])), self._field: records[place][1]}
                    for place in tried]  # fmt: skip
            for place, one in zip(tried, self._upserted(data), strict=True):
                details = (one or {}).get("details") or {}
                if code(one) == "DUPLICATE_DATA" and details.get("api_name") == self._field and details.get("id"):
                    known[place] = str(details["id"])
                # An earlier attempt wrote it, and what is fixed since has changed.
                elif fixed and code(one) == "INVALID_DATA" and details.get("api_name") in FIXED:
                    open_.append(place)
                else:
                    kept[place] = self._kept(one)
        data = [{**_loose(said[place]), "id": record} for place, record in known.items()]
        for place, one in zip(known, self._changed(data), strict=True):
            kept[place] = self._kept(one)
        return [kept[place] for place in range(len(records))]

    def make(self, module: str, data: Sequence[Mapping[str, Any]]) -> list[Kept]:
        """Make a record of each of *data*, at most ``MOST``, and return what became of each, in their order."""
        return list(map(self._kept, self._each("POST", self._at(module), data)))

    def _upserted(self, data: Sequence[Mapping[str, Any]]) -> Sequence[dict[str, Any] | None]:
        return self._each("POST", self._at("Calls", "upsert"), data, duplicate_check_fields=[self._field])

    def _changed(self, data: Sequence[Mapping[str, Any]]) -> Sequence[dict[str, Any] | None]:
        if len(data) == 1:
            alone = {name: value for name, value in data[0].items() if name != "id"}
            return self._each("PUT", self._at("Calls", data[0]["id"]), [alone])
        return self._each("PUT", self._at("Calls"), data)

    def _kept(self, one: dict[str, Any] | None) -> Kept:
        if one is None:
            return AnswerLost("Zoho took the request and said nothing of this record; whether it keeps it is not known")
        return kept_as(one, self._field)

    def _each(
        self, method: str, address: str, data: Sequence[Mapping[str, Any]], **more: Any
    ) -> Sequence[dict[str, Any] | None]:
        """Return what Zoho says of each record of *data*: a request may be accepted and a record not."""
        if not data:
            return []
        body = {"data": list(data), **more, "trigger": []}
        try:
            said = listed(self._ask(method, address, json=body, writes=True))
        except PermanentFailure as ex:
            said = listed(json_of(ex.body))  # with some refusals of a record the whole answer is a 400
            if not said or len(said) != len(data):
                raise
        if len(data) == 1:
            said = said or [{}]
        return [*said[: len(data)], *[None] * (len(data) - len(said))]


def _loose(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in FIXED}
