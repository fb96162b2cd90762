"""How attempts ended: taken in one by one, written as many at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from router.store import Attempt, State
from router.store.postgres.line import Lines
from router.store.postgres.rows import Rows
from router.store.postgres.session import Session
from router.store.postgres.tally import Tally

#: Every column of a delivery, in the order of table ``ended``.
COLUMNS = (
    "id, event_id, received_at, destination_id, call, state, due_at, attempts, unknowns, replay, replayed_at,"
    " earlier_attempts, held_by_dead_letter, rule, owner, lease_until, leased_at, ended_at, reason, status"
)

_LEASED = """
SELECT delivery.id, delivery.owner, delivery.attempts, destination_id, delivery.call, event.call, delivery.received_at,
       reason, status
FROM delivery JOIN event ON event.id = event_id AND event.received_at = delivery.received_at
WHERE delivery.id = ANY(%s) AND state = 1 ORDER BY delivery.id FOR UPDATE OF delivery
"""

_OUTCOME = Rows(
    id="bigint", state="smallint", due_at="float8", attempts="integer", unknown="integer", ended_at="float8",
    reason="text", status="integer",
)  # fmt: skip
# A delivery that a replayed one has overtaken waits for it.
_STAY = f"""
UPDATE delivery SET
    state = CASE WHEN given.state = 0 AND delivery.call IS NOT NULL AND EXISTS (
        SELECT 1 FROM delivery AS before
        WHERE before.destination_id = delivery.destination_id AND before.call = delivery.call AND before.state < 10
          AND before.id < delivery.id
    ) THEN 2 ELSE given.state END,
    due_at = given.due_at, attempts = given.attempts, unknowns = unknowns + given.unknown, ended_at = given.ended_at,
    reason = given.reason, status = given.status, owner = NULL, lease_until = NULL, leased_at = NULL
FROM {_OUTCOME.source} WHERE delivery.id = given.id RETURNING delivery.destination_id, delivery.state
"""  # noqa: S608 - our own names
_LEAVE = f"""
WITH gone AS (
    DELETE FROM delivery USING {_OUTCOME.source} WHERE delivery.id = given.id
    RETURNING delivery.id, event_id, received_at, destination_id, call, given.state, NULL::float8 AS due_at,
              given.attempts, unknowns + given.unknown AS unknowns, replay, replayed_at, earlier_attempts,
              held_by_dead_letter, rule, NULL::text AS owner, NULL::float8 AS lease_until, NULL::float8 AS leased_at,
              given.ended_at, given.reason, given.status
)
INSERT INTO ended ({COLUMNS}) SELECT * FROM gone
"""  # noqa: S608 - our own names

_ATTEMPT = Rows(
    delivery_id="bigint", number="integer", received_at="float8", outcome="text", reason="text", status="integer",
    started_at="float8", ended_at="float8",
)  # fmt: skip
_KEEP_ATTEMPTS = f"INSERT INTO attempt ({_ATTEMPT.names}) SELECT * FROM {_ATTEMPT.source}"  # noqa: S608 - our own names
_RECEIPT = Rows(destination_id="integer", call="bigint", body="text", updated_at="float8")
_KEEP_RECEIPTS = f"""
INSERT INTO receipt ({_RECEIPT.names}) SELECT * FROM {_RECEIPT.source}
ON CONFLICT (destination_id, call) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at
"""  # noqa: S608 - our own names
_ANSWER = Rows(delivery_id="bigint", attempt="integer", body="text")
_KEEP_ANSWERS = f"""
INSERT INTO answer ({_ANSWER.names}) SELECT * FROM {_ANSWER.source}
ON CONFLICT (delivery_id) DO UPDATE SET attempt = excluded.attempt, body = excluded.body
"""  # noqa: S608 - our own names


class _Leased(NamedTuple):
    owner: str
    attempts: int
    destination: int
    #: The call within which order is kept, and the one that the event belongs to.
    line: int | None
    call: int
    received_at: float
    reason: str | None
    status: int | None


class Outcomes:
    """What one transaction records of attempts."""

    def __init__(self, session: Session, tally: Tally, lines: Lines) -> None:
        self._session = session
        self._tally = tally
        self._lines = lines
        #: What is leased, as it stands; None: it is not.
        self._leased: dict[int, _Leased | None] = {}
        self._stay: list[tuple[Any, ...]] = []
        self._leave: list[tuple[Any, ...]] = []
        self._go_on: list[tuple[int, int, float]] = []
        self._attempts: list[tuple[Any, ...]] = []
        self._receipts: dict[tuple[int, int], tuple[str, float]] = {}
        self._answers: dict[int, tuple[int, str]] = {}

    def lines_of(self, deliveries: Iterable[int]) -> list[int]:
        """Return the calls that must be locked before ``foresee``."""
        rows = self._session.execute(
            "SELECT call FROM delivery WHERE id = ANY(%s) AND call IS NOT NULL", (list(deliveries),)
        )
        return [call for (call,) in rows]

    def foresee(self, deliveries: Iterable[int]) -> None:
        """Look at *deliveries*, whose calls are locked, and keep others from them until the transaction is over."""
        wanted = sorted(set(deliveries))
        self._leased.update(dict.fromkeys(wanted))
        for number, *columns in self._session.execute(_LEASED, (wanted,)):
            self._leased[number] = _Leased(*columns)

    def record(self, attempt: Attempt) -> bool:
        """Implement ``Store.record``."""
        if attempt.delivery_id not in self._leased:
            self._lines.lock(self.lines_of([attempt.delivery_id]))
            self.foresee([attempt.delivery_id])
        leased = self._leased[attempt.delivery_id]
        if leased is None or (leased.owner, leased.attempts) != (attempt.owner, attempt.attempt):
            return False
        self._leased[attempt.delivery_id] = None
        finished = attempt.state.finished
        due_at = attempt.ended_at if attempt.due_at is None else attempt.due_at
        said = attempt.counts or finished
        leaves = finished and attempt.state is not State.DEAD
        (self._leave if leaves else self._stay).append(
            (
                attempt.delivery_id,
                attempt.state,
                None if finished else due_at,
                attempt.attempt if attempt.counts else attempt.attempt - 1,
                attempt.outcome == "unknown",
                attempt.ended_at if finished else None,
                attempt.reason if said else leased.reason,
                attempt.status if said else leased.status,
            )
        )
        self._tally.add(leased.destination, State.LEASED, -1)
        if leaves:
            self._tally.add(leased.destination, attempt.state)
        if leased.line is not None:
            self._go_on.append((leased.destination, leased.line, attempt.ended_at))
        self._keep(attempt, leased)
        return True

    def forget_leases(self) -> None:
        """Look again at what is leased: it may have changed."""
        self._leased.clear()

    def write(self) -> None:
        """Put what was recorded into the tables, and let every line go on."""
        if self._leave:
            self._session.execute(_LEAVE, _OUTCOME.arrays(sorted(self._leave)))
            self._leave.clear()
        if self._stay:
            for destination, state in self._session.execute(_STAY, _OUTCOME.arrays(sorted(self._stay))):
                self._tally.add(destination, state)
            self._stay.clear()
        self._lines.go_on(self._go_on)
        self._go_on.clear()
        if self._attempts:
            self._session.execute(_KEEP_ATTEMPTS, _ATTEMPT.arrays(self._attempts))
            self._attempts.clear()
        if self._receipts:
            rows = [(*key, *receipt) for key, receipt in sorted(self._receipts.items())]
            self._session.execute(_KEEP_RECEIPTS, _RECEIPT.arrays(rows))
            self._receipts.clear()
        if self._answers:
            self._session.execute(
                _KEEP_ANSWERS, _ANSWER.arrays((key, *answer) for key, answer in sorted(self._answers.items()))
            )
            self._answers.clear()

    def forget(self) -> None:
        """Forget everything: the transaction is over."""
        self._leased.clear()
        for kept in (self._stay, self._leave, self._go_on, self._attempts):
            kept.clear()
        self._receipts.clear()
        self._answers.clear()

    def _keep(self, attempt: Attempt, leased: _Leased) -> None:
        if attempt.counts:
            self._attempts.append(
                (
                    attempt.delivery_id,
                    attempt.attempt,
                    leased.received_at,
                    attempt.outcome,
                    attempt.reason,
                    attempt.status,
                    attempt.started_at,
                    attempt.ended_at,
                )
            )
            if attempt.receipt is not None:
                body = json.dumps(dict(attempt.receipt))
                self._receipts[leased.destination, leased.call] = (body, attempt.ended_at)
        if attempt.answer is not None:
            self._answers[attempt.delivery_id] = (attempt.attempt, json.dumps(dict(attempt.answer)))
