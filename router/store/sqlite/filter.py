"""``Filter`` in SQL: terms that all must hold, and the values for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.event import ALERT
from router.store import Filter, State

#: Up to this many events since a moment, their ids are worth collecting; more are found soon enough from the newest on.
_FEW = 10_000

_IDS_OF_CALL = "SELECT id FROM event WHERE call IN (SELECT id FROM call WHERE call_id = ?)"
# Ids follow the order of routing, which is nearly the order of receipt, but not quite. Where many events are recent
# enough there is no need for a lower end, else it is exact.
_EARLIEST_OF_FEW = f"""
SELECT CASE WHEN count(*) < {_FEW} THEN coalesce(min(id), 9223372036854775807) ELSE 0 END
FROM (SELECT id FROM event WHERE received_at >= ? LIMIT {_FEW})
"""  # noqa: S608 - our own number
_OF_DESTINATION = "destination_id = (SELECT id FROM destination WHERE name = ?)"
_CAUGHT = "EXISTS (SELECT 1 FROM silenced WHERE silence = ? AND silenced.delivery_id = delivery.id)"


def add(terms: list[str], values: list[Any], term: str, value: Any) -> None:
    """Add *term* with its one *value*, unless that is None."""
    if value is not None:
        terms.append(term)
        values.append(value)


def where(terms: Sequence[str]) -> str:
    """Return the WHERE that joins *terms*; nothing where there are none."""
    return f"WHERE {' AND '.join(terms)}" if terms else ""


def of_event(asked: Filter, id: str = "event.id") -> tuple[list[str], list[Any]]:
    """Return what *asked* says of the event and its call, *id* being the column that names the event."""
    terms: list[str] = []
    values: list[Any] = []
    add(terms, values, f"{id} IN ({_IDS_OF_CALL})", asked.call_id)
    add(terms, values, "call.source = ?", asked.source)
    if asked.event_type == ALERT:
        # Written out: the index of alerts serves only those who say it so.
        terms.append(f"event_type = '{ALERT}'")
    else:
        add(terms, values, "event_type = ?", asked.event_type)
    if asked.since is not None:
        terms.append(f"received_at >= ? AND {id} >= ({_EARLIEST_OF_FEW})")
        values += [asked.since, asked.since]
    add(terms, values, "received_at < ?", asked.until)
    return terms, values


def of_standing(asked: Filter) -> tuple[list[str], list[Any]]:
    """Return what *asked* says of where a delivery stands."""
    terms: list[str] = []
    values: list[Any] = []
    add(terms, values, _OF_DESTINATION, asked.destination)
    if asked.state is not None:
        # Only the index of dead letters is in the order that is asked for; by any other a million rows would be sorted.
        column = "delivery.state" if asked.state is State.DEAD else "+delivery.state"
        # Written out, not as a parameter: else SQLite would not see that the index serves it.
        terms.append(f"{column} = {int(asked.state)}")
    if asked.unfinished:
        terms.append("+delivery.state < 10")
    add(terms, values, _CAUGHT, asked.silence)
    return terms, values


def of_delivery(asked: Filter) -> tuple[list[str], list[Any]]:
    """Return everything that *asked* says of a delivery, its event and its call; ``before_id`` excepted."""
    terms, values = of_event(asked, "event_id")
    add(terms, values, "event_id = ?", asked.event_id)
    add(terms, values, "unmatched = ?", asked.unmatched)
    add(terms, values, "rule = ?", asked.rule)
    more, their_values = of_standing(asked)
    return terms + more, values + their_values
