"""What operators may do to the store, through the worker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from router.store.operator import CommandRow, SilenceRow
from router.store.reading import Filter


class Operating(Protocol):
    """The operator's part of the store, called inside the worker's transactions."""

    def replay(self, deliveries: Iterable[int], now: float, *, due_from: float | None = None, apart: float = 0) -> int:
        """Make finished deliveries due again; return how many.

        What was never delivered keeps its key, and its attempts count on, at its old place in its line; what was
        delivered becomes a new delivery with a new key, at the end of the line. Either way the destination's patience
        (``give_up_after``, ``attempts``, ``expire``) begins anew, when it is due. Unfinished ones are left alone.

        All are due *now*; with *due_from*, by their ids, each *apart* seconds after the one before.
        """

    def cancel(self, deliveries: Iterable[int], reason: str, now: float) -> int:
        """End unfinished deliveries as CANCELLED; return how many. LEASED ones are left alone: they may arrive."""

    def give_up(self, destination: str, now: float, limit: int) -> int:
        """Turn unfinished deliveries of *destination*, leased ones too, into dead letters; return how many.

        *limit* of them, and what is left of the last line, so that every line is given up whole. 0: nothing is left.
        """

    def choose(self, where: Filter, after: int, to: int, limit: int) -> list[int]:
        """Return the ids of deliveries beyond *after*, up to *to*, oldest first. ``before_id`` is not asked."""

    def pause(self, destination: str, reason: str, fingerprint: str, now: float) -> None:
        """Claim nothing more of *destination* until ``resume``; ``fingerprint`` tells which settings were refused.

        One that is paused keeps the time it was first paused at. Pausing, resuming or giving up a destination that the
        store does not know changes nothing.
        """

    def drain(self, destination: str, reason: str, now: float) -> None:
        """Remember until ``resume`` that *destination* takes nothing new; what it is owed already is still sent."""

    def resume(self, destination: str, now: float) -> None:
        """End a pause and a drain.

        What waited during a pause keeps its due times, and is given up no sooner than if accepted *now*.
        """

    def draining(self) -> dict[str, str]:
        """Return destination → reason, of those that take nothing new."""

    def silences(self, now: float) -> list[SilenceRow]:
        """Return the silences that have not ended, by id."""

    def silence(self, silence: SilenceRow) -> None:
        """Keep one."""

    def end_silence(self, silence: int, who: str, now: float) -> bool:
        """End it before its time; return False, changing nothing, where there is none or it has ended."""

    def commands_under_way(self) -> list[CommandRow]:
        """Return the commands that have begun and not ended, by id."""

    def note_command(self, command: CommandRow) -> None:
        """Keep how far a command has come, in place of what was kept before."""
