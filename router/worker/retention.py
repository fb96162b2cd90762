"""Forgets what is old, a little at a time, so that no delivery waits for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from router.commands import Commands
from router.config.model import Retention
from router.store import Forgotten, Upkeep

#: Seconds after a start before anything is forgotten: a clock that was wrong at boot is usually set right by then.
FIRST = 300.0
#: Seconds from the end of one pass over everything to the next.
REST = 60.0
#: A step aims at less than so many seconds; between two steps nine times as long belongs to others.
STEP, SHARE = 0.010, 9
#: After a pass, so many times its own work belongs to others: what is kept for long is not looked at for ever.
PASS_SHARE = 50
#: Rows a step looks at.
_FEWEST, _MOST = 10, 1000

_FOR_EVER = float("-inf")


class Forgetting:
    """Passes over events, receipts, calls, quarantine and commands, one stretch of rows after the other."""

    def __init__(
        self,
        store: Upkeep,
        commands: Commands,
        forgot: Callable[[str, int], None],
        *,
        first: float = FIRST,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Call *forgot* with the kind and the number of what was deleted; begin *first* seconds from now."""
        self._store = store
        self._commands = commands
        self._forgot = forgot
        self._monotonic = monotonic
        self._next = monotonic() + first
        self._limit = _FEWEST
        self._worked = 0.0
        #: In this order: a call goes after its events and receipts.
        self._kinds = ("events", "receipts", "calls", "quarantine", "results", "commands")
        self._kind, self._place = 0, 0
        self._pass: Counter[str] = Counter()

    def until_next(self) -> float:
        """Return the seconds until there is something to do."""
        return max(0.0, self._next - self._monotonic())

    def wait(self) -> None:
        """Do nothing for a while: now is no time to forget anything."""
        self._next = self._monotonic() + REST

    def step(self, kept: Retention, now: float, position: int) -> Counter[str] | None:
        """Take one step, in one transaction; return what a pass has forgotten at its end, else None.

        *position* is the id of the last command that was carried out. Raises StoreError; the step is taken again later.
        """
        began = self._monotonic()
        self._next = began + 1.0
        kind = self._kinds[self._kind]
        forgotten = self._forget(kind, kept, now, position)
        took = self._monotonic() - began
        self._worked += took
        if forgotten.rows:
            self._pass[kind] += forgotten.rows
            self._forgot(kind, forgotten.rows)
        if took > STEP:
            self._limit = max(_FEWEST, self._limit // 2)
        elif took < STEP / 2:
            self._limit = min(_MOST, self._limit * 2)
        self._next = began + took * (1 + SHARE)
        self._place = forgotten.place or 0
        if forgotten.place is not None:
            return None
        self._kind = (self._kind + 1) % len(self._kinds)
        if self._kind:
            return None
        self._next = began + took + max(REST, self._worked * PASS_SHARE)
        done, self._pass, self._worked = self._pass, Counter(), 0.0
        return done

    def _forget(self, kind: str, kept: Retention, now: float, position: int) -> Forgotten:
        store, place, limit = self._store, self._place, self._limit
        events = _before(kept.events, now)
        match kind:
            case "events":
                return store.forget_events(events, _before(kept.dead_letters, now), place, limit)
            case "receipts":
                return store.forget_receipts(_before(kept.receipts, now), place, limit)
            case "calls":
                return store.forget_calls(events, place, limit)
            case "quarantine":
                return store.forget_quarantine(_before(kept.quarantine, now), place, limit)
            case "results":
                return store.forget_commands(_before(kept.commands, now), place, limit)
            case _:
                rows = self._commands.forget(_before(kept.commands, now), position, limit)
                # Whoever records one meanwhile waits: a step is enough of it.
                return Forgotten(rows, None)


def _before(kept: float | None, now: float) -> float:
    return _FOR_EVER if kept is None else now - kept
