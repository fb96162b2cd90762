"""The two phases of a reload, as the supervisor leads them: everybody gets ready, one decides, the others follow."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from router.config.files import Snapshot
from router.errors import Problem
from router.reload.link import Link, Message, answer_hello

#: Seconds that one phase may take.
DEADLINE = 20.0
#: Seconds between two looks at whether the daemon is being stopped.
_LOOK = 0.25


class Refused(Exception):
    """Nobody has moved. Says why: with problems, or in a sentence."""

    def __init__(self, why: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(why or "\n".join(map(str, problems)))
        self.problems = problems


class _Late(Exception):
    """A phase has taken too long."""


@dataclass
class Move:
    """Brings every process at the other end of *links* to the configuration of *snapshot*."""

    number: int
    snapshot: Snapshot
    #: What is in use until then: for a process that starts in between.
    before: tuple[int, Snapshot]
    #: Process → the supervisor's end.
    links: Mapping[str, Link]
    #: Ends a process at once; its successor begins with whatever is then in use.
    end: Callable[[str], None]
    #: The process that may still refuse when all are ready, if any.
    decides: str | None = None
    #: Whether the deciding process had decided before it ended; asked only then.
    decided: Callable[[int], bool] = lambda _: False
    #: Whether the daemon has been told to stop.
    stopping: Callable[[], bool] = lambda: False
    deadline: float = DEADLINE
    _end_at: float = field(init=False, default=0.0)

    def run(self) -> None:
        """Return when every process uses the new configuration, or has ended; raises Refused when none does."""
        if self.decides is not None and self.decides not in self.links:
            raise Refused(f"the {self.decides} is not running at the moment, and it decides; try again")
        try:
            self._prepare()
            if self.decides is not None:
                self._decide(self.decides)
        except Refused:
            for name in self.links:
                self._tell(name, Message("abort", self.number))
            raise
        self._commit({name for name in self.links if name != self.decides})
        if self.decides is not None:
            self._tell(self.decides, Message("done", self.number))

    def _prepare(self) -> None:
        self._end_at = time.monotonic() + self.deadline
        waiting = set(self.links)
        offer = Message("prepare", self.number, snapshot=self.snapshot)
        for name in self.links:
            self._tell(name, offer)
        while waiting:
            for name, message in self._heard(set(self.links), waiting):
                if message is None:
                    raise Refused(f"{name} ended before it was ready; try again")
                if message.kind == "hello":
                    # gunicorn has made a new process, which has heard nothing of this.
                    self._greet(name, message, *self.before)
                    self._tell(name, offer)
                    waiting.add(name)
                elif message.number == self.number and message.kind == "refused":
                    raise Refused(f"{name}: {message.why}", message.problems)
                elif message.number == self.number and message.kind == "ready":
                    waiting.discard(name)
            if self.stopping():
                raise Refused("callrouter is being stopped")

    def _decide(self, name: str) -> None:
        """Return when *name* has decided to move; raises Refused when it has decided otherwise, or did not decide."""
        self._end_at = time.monotonic() + self.deadline
        self._tell(name, Message("commit", self.number))
        answer = self._answer_of(name)
        if answer is not None and answer.kind == "refused":
            raise Refused(answer.why, answer.problems)
        if answer is None:
            # One that ended, or hangs, may have decided without saying so. Once it is gone, that will not change.
            self.end(name)
            self._await_end(name)
            if not self.decided(self.number):
                raise Refused(f"the {name} ended, or did not answer, before it had decided; try again")

    def _answer_of(self, name: str) -> Message | None:
        """Return the answer to ``commit``; None when there is none in time, or ever."""
        with contextlib.suppress(_Late):
            while True:
                for _, message in self._heard({name}, set()):
                    if message is None or message.number == self.number:
                        return message
        return None

    def _await_end(self, name: str) -> None:
        self._end_at = time.monotonic() + self.deadline
        with contextlib.suppress(_Late):
            while not any(message is None for _, message in self._heard({name}, set())):
                continue

    def _commit(self, waiting: set[str]) -> None:
        self._end_at = time.monotonic() + self.deadline
        for name in waiting:
            self._tell(name, Message("commit", self.number))
        try:
            while waiting:
                for name, message in self._heard(set(waiting), set()):
                    if message is not None and message.kind == "hello":
                        self._greet(name, message, self.number, self.snapshot)
                    elif message is not None and message.number != self.number:
                        continue
                    elif message is not None and message.kind == "refused":
                        # It is too late for that: whatever failed, a new process can.
                        self.end(name)
                    waiting.discard(name)
        except _Late:
            for name in waiting:
                self.end(name)

    def _heard(self, names: set[str], missing: set[str]) -> Iterator[tuple[str, Message | None]]:
        """Yield what has come from *names* within the next moment; raises _Late, or Refused for *missing* ones."""
        left = self._end_at - time.monotonic()
        if left <= 0 and missing:
            raise Refused(f"{', '.join(sorted(missing))} did not answer within {self.deadline:g}s; try again")
        if left <= 0:
            raise _Late
        links = {self.links[name]: name for name in names}
        readable, _, _ = select.select(list(links), [], [], min(left, _LOOK))
        for link in readable:
            with contextlib.suppress(BlockingIOError):
                yield links[link], link.receive()

    def _greet(self, name: str, hello: Message, number: int, snapshot: Snapshot) -> None:
        with contextlib.suppress(OSError):
            answer_hello(self.links[name], hello, number, lambda: snapshot)

    def _tell(self, name: str, message: Message) -> None:
        # Who cannot be told does not answer, and what follows from that is decided where the answer is missed.
        with contextlib.suppress(OSError):
            self.links[name].send(message)
