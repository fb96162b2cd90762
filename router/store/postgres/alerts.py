"""Table ``alert``, and what alerts ask of other tables. Everything happens inside the store's transaction."""

from __future__ import annotations

from router.store.alerting import Concern, Waiting
from router.store.postgres.locks import LOCKS, TELLING
from router.store.postgres.rows import plain
from router.store.postgres.session import Session

_COLUMNS = "what, about, since, last_at, told_at, untold, reason, over"

_KEEP = f"""
INSERT INTO alert ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (what, about) DO UPDATE SET since = excluded.since, last_at = excluded.last_at, told_at = excluded.told_at,
    untold = excluded.untold, reason = excluded.reason, over = excluded.over
"""  # noqa: S608 - our own names

# One look at all that is due, along the two indexes of it; each destination then costs one row of each table.
_WAITING = """
WITH alerts AS MATERIALIZED (
    SELECT delivery.id FROM event JOIN delivery ON delivery.event_id = event.id
    WHERE event.event_type = 'alert' AND delivery.state = 0
), first AS MATERIALIZED (
    SELECT destination.name, destination.resumed_at, least(
        (SELECT min(id) FROM delivery
         WHERE destination_id = destination.id AND state = 0 AND attempts = 0 AND id NOT IN (TABLE alerts)),
        (SELECT min(id) FROM delivery
         WHERE destination_id = destination.id AND state = 0 AND attempts > 0 AND id NOT IN (TABLE alerts))
    ) AS oldest
    FROM destination WHERE paused_at IS NULL
)
SELECT name, greatest(coalesce(replayed_at, received_at), resumed_at), attempts, due_at, reason
FROM first JOIN delivery ON delivery.id = first.oldest
"""


class Alerts:
    """What ``AlertStore`` promises, for a session that is inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def concerns(self) -> list[Concern]:
        """Implement ``AlertStore.concerns``; nobody else can until the transaction is over: nothing is told twice."""
        self._session.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, TELLING))
        # A statement of its own: one that waited would see what was there before it waited.
        rows = self._session.execute(f"SELECT {_COLUMNS} FROM alert ORDER BY what, about")  # noqa: S608 - our own names
        return [Concern(*row) for row in rows]

    def keep(self, one: Concern) -> None:
        """Implement ``AlertStore.keep_concern``."""
        self._session.execute(
            _KEEP,
            (
                one.what,
                plain(one.about),
                one.since,
                one.last_at,
                one.told_at,
                one.untold,
                plain(one.reason),
                one.over,
            ),
        )

    def forget(self, one: Concern) -> None:
        """Implement ``AlertStore.forget_concern``."""
        self._session.execute("DELETE FROM alert WHERE what = %s AND about = %s", (one.what, plain(one.about)))

    def waiting(self) -> dict[str, Waiting]:
        """Implement ``AlertStore.waiting``."""
        return {name: Waiting(*columns) for name, *columns in self._session.execute(_WAITING)}

    def paused(self) -> dict[str, str]:
        """Implement ``AlertStore.paused``."""
        rows = self._session.execute("SELECT name, paused_reason FROM destination WHERE paused_at IS NOT NULL")
        return dict(rows.fetchall())
