"""Forgetting in PostgreSQL: whole days where it can be, else stretches of ids, as on SQLite.

A table that loses rows one by one must be cleaned up behind them; one of a whole day is dropped. So nothing of a day is
deleted before all of it is old. What little of it is needed for longer (what is owed still, dead letters, what ended
late) moves to the tables named ``…_other`` then.
"""

from __future__ import annotations

from router.store.postgres import days
from router.store.postgres.days import DAY, KEPT, Busy
from router.store.postgres.rows import Rows
from router.store.postgres.session import Session
from router.store.postgres.tally import Tally
from router.store.upkeep import Forgotten

#: A day of which so many events are needed is not dropped: its events are deleted one by one.
MOST_NEEDED = 1000

# While its call is locked, nothing new is kept back by a dead letter; one whose call is locked elsewhere stays.
_LOCK = """
SELECT call FROM (
    SELECT DISTINCT delivery.call FROM ({events}) AS event JOIN delivery ON delivery.event_id = event.id
    WHERE event.id > %(place)s AND event.id <= %(last)s AND event.received_at < %(before)s
      AND delivery.state = 11 AND delivery.ended_at < %(dead_before)s AND delivery.call IS NOT NULL
) AS dead WHERE pg_try_advisory_xact_lock(call)
"""
_OLD_EVENTS = """
SELECT id, received_at FROM ({events}) AS event
WHERE event.id > %(place)s AND event.id <= %(last)s AND event.received_at < %(before)s
AND NOT EXISTS (
    SELECT 1 FROM delivery WHERE delivery.event_id = event.id AND (
        state < 10
        OR ended_at >= %(dead_before)s
        OR (call IS NOT NULL AND (call <> ALL(%(locked)s::bigint[]) OR EXISTS (
            SELECT 1 FROM delivery AS behind
            WHERE behind.destination_id = delivery.destination_id AND behind.call = delivery.call AND behind.state < 10
        )))
    )
)
AND NOT EXISTS (
    SELECT 1 FROM ended
    WHERE ended.event_id = event.id AND ended.received_at = event.received_at AND ended.ended_at >= %(before)s
)
"""

_OLD = Rows(id="bigint", received_at="float8")
# The bounds are for the planner: it then looks at the tables of those days alone.
_WITHIN = "received_at BETWEEN %s AND %s"
_FORGET_HOT = f"""
DELETE FROM delivery USING {_OLD.source} WHERE delivery.event_id = given.id
RETURNING delivery.id, destination_id, state
"""  # noqa: S608 - our own names
_FORGET_ENDED = f"""
DELETE FROM ended USING {_OLD.source}
WHERE ended.event_id = given.id AND ended.received_at = given.received_at AND ended.{_WITHIN}
RETURNING ended.id, destination_id, state
"""  # noqa: S608 - our own names
_FORGET_EVENTS = f"""
WITH gone AS (
    DELETE FROM event USING {_OLD.source}
    WHERE event.id = given.id AND event.received_at = given.received_at AND event.{_WITHIN} RETURNING event.key
)
DELETE FROM event_key USING gone WHERE event_key.key = gone.key
"""  # noqa: S608 - our own names

# Of a day ------------------------------------------------------------------------------------------------

_NEEDED = """
SELECT DISTINCT event_id FROM (
    SELECT event_id FROM delivery WHERE received_at >= %s AND received_at < %s
    UNION ALL SELECT event_id FROM {ended} WHERE ended_at >= %s
) AS needed LIMIT %s
"""
_FORGET_KEYS = """
DELETE FROM event_key WHERE key IN (
    SELECT key FROM event_key WHERE received_at >= %s AND received_at < %s AND event_id <> ALL(%s::bigint[]) LIMIT %s
)
"""
_FORGET_OF_DELIVERIES = """
DELETE FROM {table} WHERE delivery_id IN (
    SELECT delivery_id FROM {table}
    WHERE delivery_id >= (SELECT min(id) FROM {ended}) AND delivery_id <= (SELECT max(id) FROM {ended})
      AND EXISTS (SELECT 1 FROM {ended} AS ended WHERE ended.id = delivery_id AND ended.event_id <> ALL(%s::bigint[]))
    LIMIT %s
)
"""
_COUNTS = """
SELECT destination_id, state, count(*) FROM {ended} WHERE event_id <> ALL(%s::bigint[]) GROUP BY destination_id, state
"""
_MOVE = {
    "event": "INSERT INTO event SELECT * FROM {event} WHERE id = ANY(%(needed)s::bigint[])",
    "ended": "INSERT INTO ended SELECT * FROM {ended} WHERE event_id = ANY(%(needed)s::bigint[])",
    "attempt": """
        INSERT INTO attempt SELECT * FROM {attempt} WHERE delivery_id IN (
            SELECT id FROM {ended} WHERE event_id = ANY(%(needed)s::bigint[])
            UNION ALL SELECT id FROM delivery WHERE event_id = ANY(%(needed)s::bigint[])
        )
    """,
}

_OLD_CALLS = """
DELETE FROM call WHERE id > %s AND id <= %s AND last_received_at < %s AND ends_told > 0 AND end_due_at IS NULL
AND NOT EXISTS (SELECT 1 FROM event WHERE event.call = call.id)
AND NOT EXISTS (
    SELECT 1 FROM destination JOIN receipt ON receipt.destination_id = destination.id WHERE receipt.call = call.id
)
"""


class Retention:
    """Implements ``Upkeep`` inside the store's transaction."""

    def __init__(self, session: Session, tally: Tally) -> None:
        self._session = session
        self._tally = tally
        #: Days that cannot be dropped, until the end of all events is reached, and whether their events go one by one.
        self._spared: dict[int, bool] = {}
        #: The day that is being dropped, and its events that are needed, as they were when that began.
        self._needed: tuple[int, list[int]] | None = None

    def events(self, before: float, dead_before: float, place: int, limit: int) -> Forgotten:
        """Implement ``Upkeep.forget_events``.

        At the beginning it drops a day that is old, if there is one; it may take many steps, which begin there again.
        """
        if place == 0:
            for day in days.made(self._session):
                if (day + 1) * DAY <= before and day not in self._spared:
                    return Forgotten(self._drop(day, before, limit), 0)
        tables = ["event_other", *(days.name("event", day) for day, one_by_one in self._spared.items() if one_by_one)]
        of = " UNION ALL ".join(f"SELECT id, received_at FROM {table}" for table in tables)  # noqa: S608 - our own names
        last, following = self._stretch(f"({of}) AS event", "received_at", before, place, limit)
        forgotten = self._delete(of, before, dead_before, place, last)
        if following is None:
            self._spared.clear()
        return Forgotten(forgotten, following)

    def receipts(self, before: float, place: int, limit: int) -> Forgotten:
        """Implement ``Upkeep.forget_receipts``."""
        last, following = self._stretch("call", "last_received_at", before, place, limit)
        # Their key begins with the destination, of which there are few.
        cursor = self._session.execute(
            "DELETE FROM receipt USING destination"
            " WHERE destination_id = destination.id AND call > %s AND call <= %s AND updated_at < %s",
            (place, last, before),
        )
        return Forgotten(cursor.rowcount, following)

    def calls(self, before: float, place: int, limit: int) -> Forgotten:
        """Implement ``Upkeep.forget_calls``."""
        last, following = self._stretch("call", "last_received_at", before, place, limit)
        return Forgotten(self._session.execute(_OLD_CALLS, (place, last, before)).rowcount, following)

    def quarantine(self, before: float, place: int, limit: int) -> Forgotten:
        """Implement ``Upkeep.forget_quarantine``."""
        last, following = self._stretch("quarantine", "received_at", before, place, limit)
        cursor = self._session.execute(
            "DELETE FROM quarantine WHERE id > %s AND id <= %s AND received_at < %s", (place, last, before)
        )
        return Forgotten(cursor.rowcount, following)

    def commands(self, before: float, place: int, limit: int) -> Forgotten:
        """Implement ``Upkeep.forget_commands``."""
        last, following = self._stretch("command", "began_at", before, place, limit)
        self._session.execute(
            "DELETE FROM silence WHERE id > %s AND id <= %s AND ends_at < %s"
            " AND NOT EXISTS (SELECT 1 FROM silenced WHERE silenced.silence = silence.id)",
            (place, last, before),
        )
        cursor = self._session.execute(
            "DELETE FROM command WHERE id > %s AND id <= %s AND ended_at < %s", (place, last, before)
        )
        return Forgotten(cursor.rowcount, following)

    def _stretch(self, table: str, moment: str, before: float, place: int, limit: int) -> tuple[int, int | None]:
        """Return the last id of the stretch of *limit* rows behind *place*, and where the next one begins.

        Ids follow time nearly: behind a stretch in which nothing is old, nothing is.
        """
        [(last, rows, oldest)] = self._session.execute(
            f"SELECT max(id), count(*), min({moment})"  # noqa: S608 - our own names
            f" FROM (SELECT id, {moment} FROM {table} WHERE id > %s ORDER BY id LIMIT %s) AS stretch",
            (place, limit),
        ).fetchall()
        if last is None or oldest >= before:
            return place, None
        return last, (last if rows == limit else None)

    def _delete(self, events: str, before: float, dead_before: float, place: int, last: int) -> int:
        """Delete what is old in the stretch of *events* up to *last*, one by one; return how many events it was."""
        if last <= place:
            return 0
        asked = {"place": place, "last": last, "before": before, "dead_before": dead_before}
        locked = [call for (call,) in self._session.execute(_LOCK.format(events=events), asked)]
        # A statement of its own: it sees what was done before the locks were had.
        old = self._session.execute(_OLD_EVENTS.format(events=events), {**asked, "locked": locked}).fetchall()
        if not old:
            return 0
        arrays = _OLD.arrays(old)
        within = (*arrays, min(arrays[1]), max(arrays[1]))
        deliveries = self._session.execute(_FORGET_HOT, arrays).fetchall()
        deliveries += self._session.execute(_FORGET_ENDED, within)
        for _, destination, state in deliveries:
            self._tally.add(destination, state, -1)
        numbers = [number for number, _, _ in deliveries]
        self._session.execute(
            f"DELETE FROM attempt WHERE delivery_id = ANY(%s) AND {_WITHIN}",  # noqa: S608 - our own text
            (numbers, *within[2:]),
        )
        for table in ("answer", "silenced"):
            self._session.execute(f"DELETE FROM {table} WHERE delivery_id = ANY(%s)", (numbers,))  # noqa: S608 - our own names
        self._session.execute(_FORGET_EVENTS, within)
        return len(old)

    def _drop(self, day: int, before: float, limit: int) -> int:
        """Take a step towards dropping *day*, the last of which drops it; return how many events were forgotten.

        ``_spared`` has it when it cannot be dropped now.
        """
        names = {table: days.name(table, day) for table in KEPT}
        try:
            with days.exclusively(self._session):
                if self._needed is None or self._needed[0] != day:
                    self._needed = (day, self._find_needed(names, day, before))
                needed = self._needed[1]
                if len(needed) <= MOST_NEEDED:
                    # What hangs on the day's rows goes in stretches: all at once, it would keep deliveries waiting.
                    if self._forget_what_hangs(names, day, needed, limit):
                        return 0
                    # Nothing is added to the day any more, nor ended in it; it can still be read.
                    self._session.execute(f"LOCK TABLE {', '.join(names.values())} IN SHARE ROW EXCLUSIVE MODE")
                    needed = self._find_needed(names, day, before)
                self._needed = None
                if len(needed) <= MOST_NEEDED:
                    return self._drop_tables(names, needed)
                self._spared[day] = True
        except Busy:
            self._spared[day] = False
        return 0

    def _find_needed(self, names: dict[str, str], day: int, before: float) -> list[int]:
        asked = (day * DAY, (day + 1) * DAY, before, MOST_NEEDED + 1)
        return [event for (event,) in self._session.execute(_NEEDED.format(**names), asked)]

    def _forget_what_hangs(self, names: dict[str, str], day: int, needed: list[int], limit: int) -> bool:
        """Delete keys, answers and what silences caught, of what is not *needed*; return whether there may be more."""
        keys = self._session.execute(_FORGET_KEYS, (day * DAY, (day + 1) * DAY, needed, limit))
        if keys.rowcount == limit:
            return True
        said = (_FORGET_OF_DELIVERIES.format(table=table, ended=names["ended"]) for table in ("answer", "silenced"))
        return any(self._session.execute(one, (needed, limit)).rowcount == limit for one in said)

    def _drop_tables(self, names: dict[str, str], needed: list[int]) -> int:
        counts = self._session.execute(_COUNTS.format(**names), (needed,)).fetchall()
        [[events]] = self._session.execute(f"SELECT count(*) FROM {names['event']}").fetchall()  # noqa: S608 - our own name
        # All of them before any: a reader takes them in this order, too.
        self._session.execute(f"LOCK TABLE {', '.join(f'ONLY {table}' for table in KEPT)} IN ACCESS EXCLUSIVE MODE")
        for table in KEPT:
            self._session.execute(f"ALTER TABLE {table} DETACH PARTITION {names[table]}")
        if needed:
            for table in KEPT:
                self._session.execute(_MOVE[table].format(**names), {"needed": needed})
        self._session.execute(f"DROP TABLE {', '.join(names.values())}")
        for destination, state, n in counts:
            self._tally.add(destination, state, -n)
        return int(events) - len(needed)
