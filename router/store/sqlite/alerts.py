"""Table ``alert``, and what alerts ask of other tables. Everything happens inside the store's transaction."""

from __future__ import annotations

import sqlite3

from router.store.alerting import Concern, Waiting

_COLUMNS = "what, about, since, last_at, told_at, untold, reason, over"

_FIRST_OF = """
SELECT min(delivery.id) AS id FROM delivery INDEXED BY {index}
WHERE destination_id = destination.id AND state = 0 AND attempts {tried} AND delivery.id NOT IN alerts
"""
# The oldest id is found in the two indexes alone; each destination then costs one row of each table.
_WAITING = f"""
WITH alerts AS MATERIALIZED (
    SELECT delivery.id FROM event INDEXED BY event_alert CROSS JOIN delivery ON event_id = event.id
    WHERE event_type = 'alert' AND state = 0
)
SELECT name, max(coalesce(replayed_at, received_at), coalesce(resumed_at, 0)), attempts, due_at, reason
FROM (SELECT destination.name, resumed_at,
             (SELECT min(id) FROM ({_FIRST_OF.format(index="delivery_first", tried="= 0")}
                                   UNION ALL {_FIRST_OF.format(index="delivery_again", tried="> 0")})) AS oldest
      FROM destination WHERE paused_at IS NULL)
CROSS JOIN delivery ON delivery.id = oldest
CROSS JOIN event ON event.id = delivery.event_id
"""  # noqa: S608 - our own names


class Alerts:
    """What ``AlertStore`` promises, for a connection that is inside a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def concerns(self) -> list[Concern]:
        """Implement ``AlertStore.concerns``."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM alert ORDER BY what, about")  # noqa: S608 - our own names
        return [
            Concern(what, about, since, last_at, told_at, untold, reason, over == 1)
            for what, about, since, last_at, told_at, untold, reason, over in rows
        ]

    def keep(self, one: Concern) -> None:
        """Implement ``AlertStore.keep_concern``."""
        self._db.execute(
            f"INSERT OR REPLACE INTO alert ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own names
            (one.what, one.about, one.since, one.last_at, one.told_at, one.untold, one.reason, one.over),
        )

    def forget(self, one: Concern) -> None:
        """Implement ``AlertStore.forget_concern``."""
        self._db.execute("DELETE FROM alert WHERE what = ? AND about = ?", (one.what, one.about))

    def waiting(self) -> dict[str, Waiting]:
        """Implement ``AlertStore.waiting``."""
        return {name: Waiting(*columns) for name, *columns in self._db.execute(_WAITING)}

    def paused(self) -> dict[str, str]:
        """Implement ``AlertStore.paused``."""
        rows = self._db.execute("SELECT name, paused_reason FROM destination WHERE paused_at IS NOT NULL")
        return dict(rows.fetchall())
