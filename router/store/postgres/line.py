"""The order of deliveries within one call to one destination: who is first, and who comes after whom.

A *line* is the unfinished deliveries of one call to one destination, by id. Only its head is READY, LEASED or HELD;
the others are WAITING and become head one by one, as on SQLite. Here several nodes touch the lines of a call, so that
whoever does holds the lock of that call until its transaction is over: without it, one node adds behind a delivery that
another has just finished, and nobody makes it the head.
"""

from __future__ import annotations

from collections.abc import Iterable

from router.store import State
from router.store.postgres.rows import Rows
from router.store.postgres.session import Session
from router.store.postgres.tally import Tally

_LOCK = """
SELECT pg_advisory_xact_lock(number) FROM (SELECT unnest(%s::bigint[]) AS number ORDER BY number) AS sorted
"""
_TRY_LOCK = """
SELECT number FROM unnest(%s::bigint[]) AS wanted (number) WHERE pg_try_advisory_xact_lock(number)
"""
_LINE = Rows(destination_id="integer", call="bigint", now="float8")
# One step along an index for each line, however long it is. It asks for what comes next in that index, and not for the
# first of one call: where nearly all that waits is of one call, PostgreSQL takes every call to be as long, and looks
# for its first one among all there are. A head that had to step back keeps the time that its destination asked it to
# wait for.
_PROMOTE = f"""
WITH head AS (
    SELECT first.id, first.state AS old, given.now, first.held_by_dead_letter AND EXISTS (
        SELECT 1 FROM delivery AS dead
        WHERE dead.destination_id = given.destination_id AND dead.call = given.call AND dead.state = 11
          AND dead.id < first.id
    ) AS held
    FROM {_LINE.source} CROSS JOIN LATERAL (
        SELECT id, destination_id, call, state, held_by_dead_letter FROM delivery
        WHERE (delivery.destination_id, delivery.call, delivery.id) > (given.destination_id, given.call, 0)
          AND delivery.state < 10
        ORDER BY destination_id, call, id LIMIT 1
    ) AS first
    WHERE first.destination_id = given.destination_id AND first.call = given.call AND first.state IN (2, 3)
)
UPDATE delivery SET state = CASE WHEN held THEN 3 ELSE 0 END, due_at = greatest(due_at, now)
FROM head WHERE delivery.id = head.id AND head.old <> CASE WHEN held THEN 3 ELSE 0 END
RETURNING delivery.destination_id, head.old, delivery.state
"""  # noqa: S608 - our own names


class Lines:
    """Locks the calls whose lines are touched, and makes heads."""

    def __init__(self, session: Session, tally: Tally) -> None:
        self._session = session
        self._tally = tally
        self._locked: set[int] = set()

    def lock(self, calls: Iterable[int | None]) -> None:
        """Keep every other node from the lines of *calls* until the transaction is over, None being no call.

        All that a transaction touches is best locked at once: two that lock more and more may wait for each other, and
        PostgreSQL then ends one of them.
        """
        wanted = sorted({call for call in calls if call is not None} - self._locked)
        if wanted:
            self._session.execute(_LOCK, (wanted,))
            self._locked.update(wanted)

    def try_lock(self, calls: Iterable[int | None]) -> set[int | None]:
        """Lock those of *calls* that nobody else has, and return them, with None: for what can as well wait a turn.

        Nobody waits for anybody here, in whatever order they are locked.
        """
        wanted = {call for call in calls if call is not None}
        if missing := sorted(wanted - self._locked):
            self._locked.update(number for (number,) in self._session.execute(_TRY_LOCK, (missing,)))
        return {None, *(wanted & self._locked)}

    def go_on(self, lines: Iterable[tuple[int, int, float]]) -> None:
        """Make the first of each line its head: destination, call, and when it is due. None of a line is LEASED."""
        rows = sorted(set(lines))
        if rows:
            for destination, old, new in self._session.execute(_PROMOTE, _LINE.arrays(rows)):
                self._tally.move(destination, old, State(new))

    def forget(self) -> None:
        """The transaction is over, and its locks are gone."""
        self._locked.clear()
