"""New deliveries: each gets its place in its line, and all of a transaction are written at once."""

from __future__ import annotations

from dataclasses import dataclass

from router.store import NewDelivery, State
from router.store.postgres.rows import Rows
from router.store.postgres.session import Session
from router.store.postgres.tally import Tally

_NEW = Rows(
    id="bigint", event_id="bigint", received_at="float8", destination_id="integer", call="bigint", state="smallint",
    due_at="float8", replay="integer", replayed_at="float8", held_by_dead_letter="boolean", rule="text",
)  # fmt: skip
# Nobody else touches the lines of these calls meanwhile: they are locked, or have just begun.
_STATE = """
CASE WHEN given.state IS NOT NULL THEN given.state
     WHEN EXISTS (
         SELECT 1 FROM delivery
         WHERE delivery.destination_id = given.destination_id AND delivery.call = given.call AND delivery.state < 10
     ) THEN 2
     WHEN held_by_dead_letter AND EXISTS (
         SELECT 1 FROM delivery
         WHERE delivery.destination_id = given.destination_id AND delivery.call = given.call AND delivery.state = 11
     ) THEN 3
     ELSE 0
END
"""
_INSERT = f"""
INSERT INTO delivery (
    id, event_id, received_at, destination_id, call, state, due_at, replay, replayed_at, held_by_dead_letter, rule
)
SELECT id, event_id, received_at, destination_id, call, placed.state,
       CASE WHEN placed.state = 0 OR replayed_at IS NOT NULL THEN due_at END,
       replay, replayed_at, held_by_dead_letter, rule
FROM {_NEW.source} CROSS JOIN LATERAL (SELECT {_STATE} AS state) AS placed
RETURNING destination_id, state
"""  # noqa: S608 - our own names

_ENDED = Rows(
    id="bigint", event_id="bigint", received_at="float8", destination_id="integer", call="bigint", state="smallint",
    held_by_dead_letter="boolean", rule="text", ended_at="float8", reason="text",
)  # fmt: skip
_INSERT_ENDED = f"INSERT INTO ended ({_ENDED.names}) SELECT * FROM {_ENDED.source}"  # noqa: S608 - our own names
_CAUGHT = Rows(silence="bigint", delivery_id="bigint")
_INSERT_CAUGHT = f"INSERT INTO silenced ({_CAUGHT.names}) SELECT * FROM {_CAUGHT.source}"  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True)
class Owed:
    """One delivery about to be written; what it is behind is decided then."""

    event_id: int
    #: When its event was received.
    received_at: float
    destination: int
    #: The call within which order is kept; None where the destination asks for none.
    line: int | None
    #: The call began in this transaction: nothing else is in its lines.
    new_call: bool
    rule: str | None
    held_by_dead_letter: bool
    due_at: float
    replay: int = 0


class Owing:
    """What one transaction adds."""

    def __init__(self, session: Session, tally: Tally) -> None:
        self._session = session
        self._tally = tally
        self._new: list[Owed] = []
        self._ended: list[tuple[NewDelivery, Owed]] = []

    def add(self, owed: Owed) -> None:
        """Add one delivery behind all others of its line, whose call is locked; without a line, beside them."""
        self._new.append(owed)

    def add_ended(self, delivery: NewDelivery, owed: Owed) -> None:
        """Add one delivery that has ended: it has no place in a line, and keeps nothing back."""
        self._ended.append((delivery, owed))

    def write(self) -> None:
        """Put what was added into the tables."""
        count = len(self._new) + len(self._ended)
        if not count:
            return
        # Taken here and not sooner: within a line, what is added later has a greater number, whichever node adds it.
        taken = self._session.execute("SELECT nextval('delivery_id') FROM generate_series(1, %s)", (count,))
        numbers = [number for (number,) in taken]
        self._write_new(numbers[: len(self._new)])
        self._write_ended(numbers[len(self._new) :])
        self.forget()

    def forget(self) -> None:
        """Forget everything: the transaction is over."""
        self._new.clear()
        self._ended.clear()

    def _write_new(self, numbers: list[int]) -> None:
        begun: set[tuple[int, int]] = set()
        rows = []
        for number, one in zip(numbers, self._new, strict=True):
            rows.append(
                (
                    number, one.event_id, one.received_at, one.destination, one.line, _state(one, begun), one.due_at,
                    one.replay, one.due_at if one.replay else None, one.held_by_dead_letter, one.rule,
                )
            )  # fmt: skip
        if rows:
            for destination, state in self._session.execute(_INSERT, _NEW.arrays(rows)):
                self._tally.add(destination, state)

    def _write_ended(self, numbers: list[int]) -> None:
        rows, caught = [], []
        for number, (delivery, owed) in zip(numbers, self._ended, strict=True):
            assert delivery.ended is not None  # noqa: S101 - why it is added here
            rows.append(
                (
                    number, owed.event_id, owed.received_at, owed.destination, owed.line, delivery.ended,
                    owed.held_by_dead_letter, owed.rule, owed.due_at, delivery.reason,
                )
            )  # fmt: skip
            if delivery.silence is not None:
                caught.append((delivery.silence, number))
            self._tally.add(owed.destination, delivery.ended)
        if rows:
            self._session.execute(_INSERT_ENDED, _ENDED.arrays(rows))
        if caught:
            self._session.execute(_INSERT_CAUGHT, _CAUGHT.arrays(caught))


def _state(one: Owed, begun: set[tuple[int, int]]) -> State | None:
    """Return the state of a delivery where it is known here, *begun* being the lines that have one by now."""
    if one.line is None:
        return State.READY
    line = (one.destination, one.line)
    if line in begun:
        return State.WAITING
    begun.add(line)
    return State.READY if one.new_call else None
