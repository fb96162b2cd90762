"""Deliveries in PostgreSQL: claimed by any node, replayed, cancelled, given up. All inside the store's transaction."""

from __future__ import annotations

from collections.abc import Iterable

from router.store import Claim, Lapsed, State
from router.store.claimed import CALL, claim_of, lapsed_of
from router.store.postgres.calls import COLUMNS as CALL_COLUMNS
from router.store.postgres.calls import call_of
from router.store.postgres.line import Lines
from router.store.postgres.outcomes import COLUMNS, Outcomes
from router.store.postgres.owing import Owed as New
from router.store.postgres.owing import Owing
from router.store.postgres.session import Session
from router.store.postgres.tally import Tally

# First and further attempts apart, each along its own index; what another node is just taking is passed over.
_DUE = """
SELECT id, due_at FROM delivery
WHERE destination_id = %(destination)s AND state = 0 AND attempts {tried} AND due_at <= %(now)s
ORDER BY due_at, id LIMIT %({limit})s FOR UPDATE SKIP LOCKED
"""
_CLAIM = f"""
WITH first AS MATERIALIZED ({_DUE.format(tried="= 0", limit="limit")}),
     again AS MATERIALIZED ({_DUE.format(tried="> 0", limit="retries")}),
     chosen AS MATERIALIZED (
        SELECT id, due_at FROM (TABLE first UNION ALL TABLE again) AS due ORDER BY due_at, id LIMIT %(limit)s
     ),
     leased AS (
        UPDATE delivery SET state = 1, attempts = attempts + 1, owner = %(owner)s, lease_until = %(until)s,
                            leased_at = %(now)s
        FROM chosen WHERE delivery.id = chosen.id RETURNING delivery.*
     )
SELECT leased.id, leased.attempts, leased.unknowns, leased.replayed_at, leased.earlier_attempts, leased.replay,
       leased.rule, event.id, event.key, event.event_type, event.received_at, event.body, event.facts, receipt.body,
       leased.due_at, {CALL_COLUMNS}
FROM leased
JOIN event ON event.id = leased.event_id AND event.received_at = leased.received_at
JOIN call ON call.id = event.call
LEFT JOIN receipt ON receipt.destination_id = leased.destination_id AND receipt.call = event.call
ORDER BY leased.due_at, leased.id
"""  # noqa: S608 - our own names

_LAPSED = """
SELECT delivery.id, delivery.call
FROM delivery WHERE state = 1 AND lease_until < %s AND owner LIKE %s ORDER BY lease_until LIMIT %s
"""
_TELL_LAPSED = """
SELECT delivery.id, attempts, owner, destination.name, leased_at, delivery.received_at, event_type, unknowns,
       replayed_at, earlier_attempts, destination.resumed_at
FROM delivery
JOIN event ON event.id = delivery.event_id AND event.received_at = delivery.received_at
JOIN destination ON destination.id = delivery.destination_id
WHERE delivery.id = ANY(%s) AND state = 1 AND lease_until < %s ORDER BY lease_until
"""

# Answered along the indexes of what is due, a step for each destination, and of what is to end, a step for each share.
_NEXT_DUE = """
SELECT least(
    (SELECT min(least(
        (SELECT due_at FROM delivery WHERE destination_id = destination.id AND state = 0 AND attempts = 0
         ORDER BY due_at LIMIT 1),
        (SELECT due_at FROM delivery WHERE destination_id = destination.id AND state = 0 AND attempts > 0
         ORDER BY due_at LIMIT 1)
    )) FROM destination WHERE paused_at IS NULL),
    (SELECT min(due) FROM unnest(%s::smallint[]) AS mine (share) CROSS JOIN LATERAL (
        SELECT end_due_at FROM call WHERE call.share = mine.share AND end_due_at IS NOT NULL ORDER BY end_due_at LIMIT 1
    ) AS first (due))
)
"""

_END = """
UPDATE delivery SET state = %s, due_at = NULL, ended_at = %s, reason = %s, status = NULL,
       owner = NULL, lease_until = NULL, leased_at = NULL
WHERE id = ANY(%s)
"""
_LEAVE = f"""
WITH gone AS (DELETE FROM delivery WHERE id = ANY(%s) RETURNING {COLUMNS}) INSERT INTO ended ({COLUMNS}) TABLE gone
"""  # noqa: S608 - our own names
_COME_BACK = f"""
WITH back AS (DELETE FROM ended WHERE id = %s RETURNING {COLUMNS}) INSERT INTO delivery ({COLUMNS}) TABLE back
"""  # noqa: S608 - our own names
_ENDED = """
SELECT destination_id, call, state, event_id, received_at, rule, held_by_dead_letter FROM every_delivery
WHERE id = %s AND state >= 10
"""
_FIRST = "SELECT id, state FROM delivery WHERE destination_id = %s AND call = %s AND state < 10 ORDER BY id LIMIT 1"


class Deliveries:
    """Table ``delivery``. Destinations and calls are numbers here."""

    def __init__(self, session: Session, tally: Tally, lines: Lines, outcomes: Outcomes, owing: Owing) -> None:
        self._session = session
        self._tally = tally
        self._lines = lines
        self._outcomes = outcomes
        self._owing = owing

    def claim(
        self,
        name: str,
        destination: int,
        *,
        resumed_at: float | None,
        now: float,
        owner: str,
        lease_until: float,
        limit: int,
        retries: int,
    ) -> list[Claim]:
        """Implement ``Store.claim`` for a destination that is not paused."""
        rows = self._session.execute(
            _CLAIM,
            {
                "destination": destination, "now": now, "limit": limit, "retries": retries, "owner": owner,
                "until": lease_until,
            },
        ).fetchall()  # fmt: skip
        self._tally.add(destination, State.READY, -len(rows))
        self._tally.add(destination, State.LEASED, len(rows))
        # What is recorded of them in this very transaction is to find them leased.
        self._outcomes.forget_leases()
        return [claim_of(name, destination, resumed_at, row, call_of(row[CALL:])) for row in rows]

    def next_due(self, shares: Iterable[int]) -> float | None:
        """Implement ``Store.next_due``, for the calls of *shares*."""
        row = self._session.execute(_NEXT_DUE, (sorted(shares),)).fetchone()
        return None if row is None else row[0]

    def renew(self, owner: str, lease_until: float) -> None:
        """Implement ``Store.renew``."""
        self._session.execute(
            "UPDATE delivery SET lease_until = %s WHERE state = 1 AND owner = %s", (lease_until, owner)
        )

    def lapsed(self, now: float, limit: int, owners: str | None) -> list[Lapsed]:
        """Implement ``Store.lapsed``."""
        found = self._session.execute(_LAPSED, (now, _beginning(owners or ""), limit)).fetchall()
        if not found:
            return []
        free = self._lines.try_lock(call for _, call in found)
        numbers = [number for number, call in found if call in free]
        self._outcomes.foresee(numbers)
        return [lapsed_of(row) for row in self._session.execute(_TELL_LAPSED, (numbers, now))]

    def replay(self, deliveries: Iterable[int], now: float, *, due_from: float | None, apart: float) -> int:
        """Implement ``Operating.replay``."""
        # By id, so that of several deliveries of one call the earlier one gets its place first.
        wanted = sorted(set(deliveries))
        rows = self._session.execute("SELECT call FROM every_delivery WHERE id = ANY(%s)", (wanted,))
        self._lines.lock(call for (call,) in rows.fetchall())
        done = 0
        for delivery in wanted:
            due = now if due_from is None else due_from + done * apart
            done += self._owe_again(delivery, due)
        return done

    def cancel(self, deliveries: Iterable[int], reason: str, now: float) -> int:
        """Implement ``Operating.cancel``."""
        wanted = sorted(set(deliveries))
        rows = self._session.execute("SELECT call FROM delivery WHERE id = ANY(%s)", (wanted,))
        self._lines.lock(call for (call,) in rows.fetchall())
        found = self._session.execute(
            "SELECT id, destination_id, call, state FROM delivery WHERE id = ANY(%s) AND state < 10 AND state <> 1"
            " ORDER BY id FOR UPDATE",
            (wanted,),
        ).fetchall()
        numbers = [row[0] for row in found]
        self._session.execute(_END, (int(State.CANCELLED), now, reason, numbers))
        self._session.execute(_LEAVE, (numbers,))
        for _, destination, _, state in found:
            self._tally.move(destination, state, State.CANCELLED)
        # Of those that wait, only the first of a line keeps others back.
        self._lines.go_on((place, call, now) for _, place, call, state in found if call and state != State.WAITING)
        return len(found)

    def give_up(self, destination: int, now: float, limit: int) -> int:
        """Implement ``Operating.give_up``."""
        rows = self._session.execute(
            "SELECT id, call FROM delivery WHERE destination_id = %s AND state < 10 ORDER BY call, id LIMIT %s",
            (destination, limit),
        ).fetchall()
        if not rows:
            return 0
        self._lines.lock(call for _, call in rows)
        # With the rest of the last line: without its head it would wait for ever.
        found = self._session.execute(
            "SELECT id, state FROM delivery WHERE destination_id = %s AND state < 10 AND (id = ANY(%s) OR call = %s)"
            " ORDER BY id FOR UPDATE",
            (destination, [number for number, _ in rows], rows[-1][1]),
        ).fetchall()
        numbers = [number for number, _ in found]
        self._session.execute(_END, (int(State.DEAD), now, "given up by an operator", numbers))
        for _, state in found:
            self._tally.move(destination, state, State.DEAD)
        self._outcomes.forget_leases()
        return len(found)

    def _owe_again(self, delivery: int, due: float) -> bool:
        row = self._session.execute(_ENDED, (delivery,)).fetchone()
        if row is None:
            return False
        destination, call, old, event_id, received_at, rule, held_by_dead_letter = row
        if old == State.DELIVERED:
            latest = self._session.execute(
                "SELECT max(replay) FROM every_delivery WHERE event_id = %s AND destination_id = %s",
                (event_id, destination),
            ).fetchone()
            again = 1 + (latest[0] if latest else 0)
            self._owing.add(New(event_id, received_at, destination, call, False, rule, held_by_dead_letter, due, again))
            self._owing.write()
            return True
        if old != State.DEAD:
            self._session.execute(_COME_BACK, (delivery,))
        state = self._take_back(delivery, destination, call)
        self._session.execute(
            "UPDATE delivery SET state = %s, due_at = %s, ended_at = NULL, unknowns = 0, replayed_at = %s,"
            " earlier_attempts = attempts WHERE id = %s",
            (int(state), due, due, delivery),
        )
        self._tally.move(destination, old, state)
        if state is State.WAITING and call is not None and not self._is_busy(destination, call):
            self._lines.go_on([(destination, call, due)])
        return True

    def _take_back(self, delivery: int, destination: int, call: int | None) -> State:
        """Return the state of finished *delivery* at its old place; a head behind that place waits from now on."""
        if call is None:
            return State.READY
        if not self._is_busy(destination, call):
            first = self._session.execute(_FIRST, (destination, call)).fetchone()
            if first is not None and first[0] > delivery:
                self._session.execute("UPDATE delivery SET state = 2 WHERE id = %s", (first[0],))
                self._tally.move(destination, first[1], State.WAITING)
        return State.WAITING

    def _is_busy(self, destination: int, call: int) -> bool:
        """Whether one of the line is LEASED."""
        row = self._session.execute(
            "SELECT EXISTS (SELECT 1 FROM delivery WHERE destination_id = %s AND call = %s AND state = 1)",
            (destination, call),
        ).fetchone()
        return row is not None and row[0]


def _beginning(text: str) -> str:
    """Return the pattern of LIKE for what begins with *text*."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
