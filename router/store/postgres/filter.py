"""``Filter`` in SQL: terms that all must hold, and the values for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.event import ALERT
from router.store import FINISHED, Filter, State
from router.store.postgres.rows import plain

#: Up to this many events since a moment, their ids are worth collecting; more are found soon enough from the newest on.
_FEW = 10_000

# An array is looked up in an index, one step for each of it; what IN would do is for the planner to say.
_CALLS = "ARRAY(SELECT id FROM call WHERE call.call_id = %s)"
_EVENTS_OF_CALL = f"ARRAY(SELECT id FROM event WHERE event.call = ANY({_CALLS}))"  # noqa: S608 - our own names
# Ids follow the order of routing, which is nearly the order of receipt, but not quite. Where many events are recent
# enough there is no need for a lower end, else it is exact.
_EARLIEST_OF_FEW = f"""
SELECT CASE WHEN count(*) < {_FEW} THEN coalesce(min(id), 9223372036854775807) ELSE 0 END
FROM (SELECT id FROM event WHERE received_at >= %s LIMIT {_FEW}) AS recent
"""  # noqa: S608 - our own number
_OF_DESTINATION = "delivery.destination_id = (SELECT id FROM destination WHERE name = %s)"
_CAUGHT = "delivery.id IN (SELECT delivery_id FROM silenced WHERE silence = %s)"

#: What belongs to each delivery, and to each event. The LIMIT keeps PostgreSQL to this order: from the rows that are
#: listed to what belongs to each, never the other way round.
WITH_EVENT = """
CROSS JOIN LATERAL (
    SELECT * FROM event WHERE event.id = delivery.event_id AND event.received_at = delivery.received_at LIMIT 1
) AS event
"""
WITH_CALL = "CROSS JOIN LATERAL (SELECT * FROM call WHERE call.id = event.call LIMIT 1) AS call"


def add(terms: list[str], values: list[Any], term: str, value: Any) -> None:
    """Add *term* with its one *value*, unless that is None."""
    if value is not None:
        terms.append(term)
        values.append(plain(value) if isinstance(value, str) else value)


def where(terms: Sequence[str]) -> str:
    """Return the WHERE that joins *terms*; nothing where there are none."""
    return f"WHERE {' AND '.join(terms)}" if terms else ""


def of_event(asked: Filter) -> tuple[list[str], list[Any]]:
    """Return what *asked* says of table ``event`` and its call; ``before_id`` excepted."""
    terms: list[str] = []
    values: list[Any] = []
    add(terms, values, f"event.call = ANY({_CALLS})", asked.call_id)
    add(terms, values, "event.id = %s", asked.event_id)
    _of_either(terms, values, asked, "event", "id")
    add(terms, values, "event.rules::jsonb ? %s", asked.rule)
    return terms, values


def of_standing(asked: Filter) -> tuple[list[str], list[Any]]:
    """Return what *asked* says of where a delivery stands."""
    terms: list[str] = []
    values: list[Any] = []
    add(terms, values, _OF_DESTINATION, asked.destination)
    if asked.state is not None:
        # Written out, not as a parameter: else PostgreSQL would not see that an index serves it.
        terms.append(f"delivery.state = {int(asked.state)}")
    if asked.unfinished:
        terms.append(f"delivery.state < {FINISHED}")
    add(terms, values, _CAUGHT, asked.silence)
    return terms, values


def of_delivery(asked: Filter) -> tuple[list[str], list[Any]]:
    """Return everything that *asked* says of a delivery, its event and its call; ``before_id`` excepted."""
    terms: list[str] = []
    values: list[Any] = []
    add(terms, values, f"delivery.event_id = ANY({_EVENTS_OF_CALL})", asked.call_id)
    add(terms, values, "delivery.event_id = %s", asked.event_id)
    _of_either(terms, values, asked, "delivery", "event_id")
    add(terms, values, "delivery.rule = %s", asked.rule)
    more, their_values = of_standing(asked)
    return terms + more, values + their_values


def deliveries(asked: Filter) -> str:
    """Return what to select deliveries from: the fewest tables that have all that *asked* may name."""
    if asked.unfinished or asked.state is State.DEAD or (asked.state is not None and not asked.state.finished):
        return "delivery"
    return "every_delivery AS delivery" if asked.state is None else "ended AS delivery"


def belonging(asked: Filter) -> str:
    """Return the joins without which the terms of ``of_delivery`` could not be said."""
    if asked.source is not None:
        return f"{WITH_EVENT} {WITH_CALL}"
    return WITH_EVENT if asked.event_type is not None or asked.unmatched is not None else ""


def _of_either(terms: list[str], values: list[Any], asked: Filter, table: str, id: str) -> None:
    """Add what is said of events and deliveries alike: column *id* of *table* names the event."""
    add(terms, values, "call.source = %s", asked.source)
    if asked.event_type == ALERT:
        # Written out: the index of alerts serves only those who say it so.
        terms.append(f"event.event_type = '{ALERT}'")
    else:
        add(terms, values, "event.event_type = %s", asked.event_type)
    if asked.since is not None:
        terms.append(f"{table}.received_at >= %s AND {table}.{id} >= ({_EARLIEST_OF_FEW})")
        values += [asked.since, asked.since]
    add(terms, values, f"{table}.received_at < %s", asked.until)
    add(terms, values, "event.unmatched = %s", asked.unmatched)
