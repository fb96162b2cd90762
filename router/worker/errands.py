"""Commands that may be about a million deliveries, carried out step by step, so that no turn of the worker is long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from router.commands import Command
from router.store import CommandRow, Filter, State, Store
from router.units import Rate, rate, spell
from router.worker.routing import Routed, Routing

#: Deliveries of one step, and ids that are looked through for them.
STEP, WINDOW = 100, 5000


@dataclass(slots=True)
class Errand:
    """One such command, and how far it has come. ``progress`` is kept in the store."""

    command: Command
    began_at: float
    progress: dict[str, Any] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Deliveries that were changed so far."""
        return int(self.progress.get("done", 0))

    def add(self, *, done: int, asked: int) -> None:
        """Count *done* of *asked* deliveries."""
        self.progress["done"] = self.done + done
        self.progress["asked"] = self.progress.get("asked", 0) + asked

    @property
    def left(self) -> int:
        """Deliveries that were asked for and left alone."""
        return int(self.progress.get("asked", 0)) - self.done

    def row(self, ended_at: float | None = None, result: str | None = None) -> CommandRow:
        """Return what the store is to keep of it."""
        return CommandRow(self.command.id, self.began_at, ended_at, result, self.progress)


class Errands:
    """Takes steps. Each returns the result, in words, once there is nothing more to do."""

    def __init__(self, store: Store, routing: Routing) -> None:
        self._store = store
        self._routing = routing
        self.readmitted: list[Routed] = []
        self.actions: Mapping[str, Callable[[Errand, float], str | None]] = {
            "replay": self._replay,
            "cancel": self._cancel,
            "give-up": self._give_up,
            "readmit": self._readmit,
        }

    def _replay(self, one: Errand, now: float) -> str | None:
        given = one.command.arguments.get("rate")
        pace = rate(str(given)) if given else Rate(1, 0.0)
        apart = pace.seconds / pace.count
        ids, more = self._next(one)
        due = max(float(one.progress.get("due", now)), now) if given else now
        done = self._store.replay(ids, now, due_from=due, apart=apart)
        one.progress["due"] = due + done * apart
        one.add(done=done, asked=len(ids))
        if more:
            return None
        spread = f" at {given}, over {spell((one.done - 1) * apart)}" if given and one.done > 1 else ""
        return f"replayed {_deliveries(one.done)}{spread}{_left(one, 'have not ended')}"

    def _cancel(self, one: Errand, now: float) -> str | None:
        command = one.command
        why = command.arguments.get("reason")
        ids, more = self._next(one)
        reason = f"cancelled by {command.who}" + (f": {why}" if why else "")
        one.add(done=self._store.cancel(ids, reason, now), asked=len(ids))
        return None if more else f"cancelled {_deliveries(one.done)}{_left(one, 'are being attempted or have ended')}"

    def _give_up(self, one: Errand, now: float) -> str | None:
        name = str(one.command.arguments["destination"])
        done = self._store.give_up(name, now, STEP)
        one.add(done=done, asked=done)
        return None if done else f"moved {_deliveries(one.done, 'unfinished ')} to {name} to the dead letters"

    def _readmit(self, one: Errand, now: float) -> str | None:
        ids, more = _slice(one, one.command.arguments["quarantined"])
        found = [routed for number in ids if (routed := self._routing.readmit(number, now)) is not None]
        self.readmitted += [routed for routed in found if not routed.passed_on]
        one.add(done=len(found), asked=len(ids))
        if more:
            return None
        events = "1 refused event" if one.done == 1 else f"{one.done:,} refused events"
        return f"re-admitted {events}{_left(one, 'are still not valid for their source')}"

    def _next(self, one: Errand) -> tuple[list[int], bool]:
        """Return the next ids that the command is about, and whether there may be more."""
        arguments = one.command.arguments
        if "deliveries" in arguments:
            return _slice(one, arguments["deliveries"])
        last, limit = int(arguments["to"]), int(arguments.get("limit") or 0)
        after = int(one.progress.get("at", arguments["after"]))
        to = min(after + WINDOW, last)
        most = min(STEP, limit - int(one.progress.get("asked", 0))) if limit else STEP
        ids = self._store.choose(_filter(arguments["where"]), after, to, most)
        one.progress["at"] = ids[-1] if len(ids) == most else to
        reached = bool(limit) and int(one.progress.get("asked", 0)) + len(ids) >= limit
        return ids, one.progress["at"] < last and not reached


def _slice(one: Errand, numbers: Any) -> tuple[list[int], bool]:
    ids = sorted({int(number) for number in numbers})
    at = int(one.progress.get("at", 0))
    one.progress["at"] = at + STEP
    return ids[at : at + STEP], at + STEP < len(ids)


def _filter(where: Mapping[str, Any]) -> Filter:
    state = where.get("state")
    return Filter(**{**where, "state": State[str(state).upper()] if state else None})


def _deliveries(number: int, kind: str = "") -> str:
    return f"1 {kind}delivery" if number == 1 else f"{number:,} {kind}deliveries"


def _left(one: Errand, why: str) -> str:
    return f"; {one.left:,} left alone because they {why}" if one.left else ""
