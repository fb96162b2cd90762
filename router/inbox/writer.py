"""Appends entries for one ingest process: many requests, one thread, one fsync for all that wait together."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from router import clock
from router.errors import StoreError
from router.inbox import NewEntry
from router.inbox.room import Room
from router.inbox.shelf import SegmentShelf, Shelf
from router.inbox.wake import Bell

log = logging.getLogger("callrouter.inbox")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_FAILURE_COUNTS = 30.0


class _Waiting(NamedTuple):
    entry: NewEntry
    done: asyncio.Future[None]
    deadline: float


class InboxWriter:
    """The one writer of its segments. Every start begins a new one; what others wrote is never touched.

    One thread writes. It is blocked while nothing comes, and brought back, with a new segment, should it fail.
    ``append`` belongs to one event loop.
    """

    def __init__(
        self,
        folder: Path,
        *,
        shelf: Callable[[], Shelf] | None = None,
        where: str | None = None,
        bell: Path | None = None,
        most_entries: int = 10_000,
        most_bytes: int = 64 * 2**20,
        most_in_commit: int = 500,
        pace: float = 0.003,
        patience: float = 1.0,
        segment_bytes: int = 64 * 2**20,
        segment_seconds: float = 3600.0,
        room: Room | None = None,
        now: Callable[[], float] = clock.now,
    ) -> None:
        """Begin writing into *folder*, or onto what *shelf* makes and people know as *where*.

        Everything is refused while *room* refuses it, which is closed with the writer.

        ``bell`` is the named pipe that is rung after each commit (``wake`` beside *folder* unless given). Commits begin
        at least ``pace`` seconds apart. Above ``most_entries`` or ``most_bytes`` waiting, or when one has waited
        ``patience`` seconds, entries are refused.
        """
        self._where = where or f"the disk under {folder}"
        self._shelf = shelf or (
            lambda: SegmentShelf(folder, most_bytes=segment_bytes, most_seconds=segment_seconds, now=now)
        )
        self._bell = Bell(bell or folder.parent / "wake")
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._most_in_commit = most_in_commit
        self._pace = pace
        self._patience = patience
        self._room = room
        self._now = now

        #: What one turn of the event loop has brought; empty to wake the thread for nothing but closing.
        self._queue: queue.SimpleQueue[list[_Waiting]] = queue.SimpleQueue()
        self._in_hand: list[_Waiting] = []
        #: Why nothing can be written now; set by the thread, read by everybody.
        self._broken: str | None = None
        self._complained: str | None = None
        self._failed_at = 0.0
        self._closing = threading.Event()

        # From here on only the event loop's thread reads and writes.
        self._fresh: list[_Waiting] = []
        self._waiting: deque[_Waiting] = deque()
        self._entries = 0
        self._bytes = 0
        self._stalled = False
        self._timer: asyncio.TimerHandle | None = None
        self._handed_over_at = 0.0

        self._thread = self._start()

    async def append(self, entry: NewEntry) -> None:
        """Return when *entry* is on disk.

        Raises StoreError when it is not known to be, at the latest a second or so after the disk stopped
        answering; the entry may still get there later.
        """
        if (refusal := self._refusal(len(entry.body))) is not None:
            raise StoreError(refusal)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        waiting = _Waiting(entry, loop.create_future(), deadline)
        self._entries += 1
        self._bytes += len(entry.body)
        self._waiting.append(waiting)
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._watch)
        if not self._fresh:
            # At once after a pause; under load the thread is woken once for all that come within the pace, because a
            # commit for every two events costs more processor time than all the rest.
            loop.call_at(self._handed_over_at + self._pace, self._hand_over)
        self._fresh.append(waiting)
        await waiting.done

    def problem(self) -> str | None:
        """Return a sentence that says why nothing can be appended now; None when it can, for all that is known."""
        # A failure counts for a while only: a balancer that sends nothing because of it would never see it mended.
        recent = self._now() - self._failed_at < _FAILURE_COUNTS
        return self._refusal(0) or (self._complained if recent else None)

    def close(self) -> None:
        """Write what still waits, end the thread and let go of the segment."""
        if self._room is not None:
            self._room.close()
        self._closing.set()
        self._queue.put([])
        self._thread.join()

    # In the event loop's thread.

    def _refusal(self, size: int) -> str | None:
        if self._closing.is_set():
            return "the inbox is closed"
        if self._broken is not None:
            return self._broken
        if self._room is not None and self._room.refusal is not None:
            return self._room.refusal
        if self._stalled:
            self._revive()
            return f"{self._where} has not taken anything for more than {self._patience:g} s"
        if self._entries >= self._most_entries or self._bytes + size > self._most_bytes:
            return f"{self._entries} events wait to be kept: more come than {self._where} takes"
        return None

    def _hand_over(self) -> None:
        fresh, self._fresh = self._fresh, []
        self._handed_over_at = fresh[0].done.get_loop().time()
        self._queue.put(fresh)

    def _watch(self) -> None:
        self._timer = None
        self._forget_answered()
        if not self._waiting:
            return
        oldest, loop = self._waiting[0], asyncio.get_running_loop()
        if loop.time() < oldest.deadline:
            self._timer = loop.call_at(oldest.deadline, self._watch)
            return
        # Behind one that has waited too long, all have.
        self._stalled = True
        self._revive()
        for waiting in self._waiting:
            _answer(waiting.done, StoreError(f"{self._where} did not answer in time"))
        self._waiting.clear()

    def _settle(self, batch: Sequence[_Waiting], error: StoreError | None) -> None:
        self._stalled = False
        self._entries -= len(batch)
        for waiting in batch:
            self._bytes -= len(waiting.entry.body)
            _answer(waiting.done, error)
        self._forget_answered()

    def _forget_answered(self) -> None:
        while self._waiting and self._waiting[0].done.done():
            self._waiting.popleft()

    def _start(self) -> threading.Thread:
        thread = threading.Thread(target=self._live, name="inbox writer", daemon=True)
        thread.start()
        return thread

    def _revive(self) -> None:
        if not self._thread.is_alive() and not self._closing.is_set():
            self._thread = self._start()

    # In the writer's thread.

    def _live(self) -> None:
        pause = _FIRST_PAUSE
        while not self._closing.is_set():
            began = self._now()
            try:
                self._write()
            except Exception as ex:
                if isinstance(ex, StoreError):
                    self._broken = str(ex)
                    self._complain(ex)
                else:
                    self._broken = f"the inbox writer failed: {ex!r}"
                    log.exception("the inbox writer failed; it begins anew")
                self._give_up(StoreError(self._broken))
                pause = _FIRST_PAUSE if self._now() - began > _LONGEST_PAUSE else min(pause * 2, _LONGEST_PAUSE)
                self._closing.wait(pause)
        self._bell.close()
        self._give_up(StoreError("the inbox is closed"))

    def _write(self) -> None:
        shelf = self._shelf()
        self._broken = self._complained = None
        try:
            while not self._closing.is_set() or not self._queue.empty():
                self._in_hand = self._next(shelf)
                if self._in_hand:
                    self._commit(shelf)
                self._renew(shelf)
        finally:
            shelf.close()

    def _next(self, shelf: Shelf) -> list[_Waiting]:
        """Block until something waits or the shelf is to be renewed, and return all that waits by then."""
        batch: list[_Waiting] = []
        try:
            batch += self._queue.get(timeout=shelf.until_renewal())
            while len(batch) < self._most_in_commit:
                batch += self._queue.get_nowait()
        except queue.Empty:
            pass
        return batch

    def _commit(self, shelf: Shelf) -> None:
        error: StoreError | None = None
        try:
            shelf.append([waiting.entry for waiting in self._in_hand])
        except StoreError as ex:
            error = ex
            self._complain(ex)
        else:
            self._complained = None
            self._bell.ring()
        self._report(error)

    def _complain(self, ex: StoreError) -> None:
        # A full disk fails every commit: one line says it, thousands would fill another disk.
        if str(ex) != self._complained:
            log.warning("%s", ex)
            self._complained = str(ex)
        self._failed_at = self._now()

    def _renew(self, shelf: Shelf) -> None:
        try:
            if shelf.renew():
                self._complained = None
        except StoreError as ex:
            if shelf.lost:
                raise
            self._complain(ex)

    def _give_up(self, error: StoreError) -> None:
        with suppress(queue.Empty):
            while True:
                self._in_hand += self._queue.get_nowait()
        self._report(error)

    def _report(self, error: StoreError | None) -> None:
        batch, self._in_hand = self._in_hand, []
        if batch:
            # The loop is closed only when its process ends: nobody is left who waits.
            with suppress(RuntimeError):
                batch[0].done.get_loop().call_soon_threadsafe(self._settle, batch, error)


def _answer(done: asyncio.Future[None], error: StoreError | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
