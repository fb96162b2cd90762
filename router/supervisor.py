"""Keeps processes alive: restarts with back-off, ends them together, outlived by none.

The supervisor forks and never runs a thread. Each child holds the reading end of one pipe, the lifeline, whose only
writing end is the supervisor's: when the supervisor ends, however it ends, the pipe closes and every child knows.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from router import clock

#: Seconds before a crashed child is started again: the first wait, and the longest.
FIRST_WAIT, LONGEST_WAIT = 0.1, 30.0
#: A child that lived this many seconds starts with the first wait again.
LIVED_WELL = 10.0
#: Seconds a child whose supervisor is gone may take to end by itself.
ORPHAN_GRACE = 5.0

_HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)


class Wire(Protocol):
    """Something that a process may be heard on."""

    def fileno(self) -> int:
        """Return the descriptor to wait for."""


class Part(Protocol):
    """One process of a daemon."""

    #: As ``status`` and the logs call it.
    name: str
    #: Parts are asked to end in rising order of ``stops``; those of one number together.
    stops: int

    def ready(self) -> bool:
        """Whether it may be started now; asked again after every change."""

    def before_fork(self) -> None:
        """Make in the supervisor what both sides share."""

    def in_parent(self) -> None:
        """Let go in the supervisor of what is the child's alone."""

    def in_child(self, lifeline: Lifeline) -> int:
        """Do the work; return the exit code."""

    def ended(self) -> None:
        """The process is gone; called in the supervisor before it is started again."""


@dataclass(frozen=True, slots=True)
class Lifeline:
    """What a child knows of its supervisor."""

    descriptor: int

    def watch(self, end: Callable[[], None]) -> None:
        """Call *end* in a thread of its own once the supervisor is gone; kill this process if that takes too long."""

        def wait() -> None:
            os.read(self.descriptor, 1)
            end()
            time.sleep(ORPHAN_GRACE)
            os._exit(1)

        threading.Thread(target=wait, name="lifeline", daemon=True).start()


@dataclass(slots=True)
class Child:
    """One part with its process, as ``status`` shows it."""

    part: Part
    pid: int | None = None
    started_at: float = 0.0
    restarts: int = 0
    last_exit: str | None = None
    wait: float = FIRST_WAIT
    start_after: float = 0.0
    began: float = 0.0

    @property
    def state(self) -> str:
        """Running, or waiting to be started (again)."""
        return "running" if self.pid else "waiting"


@dataclass
class Supervisor:
    """Runs parts until it is told to stop."""

    parts: Sequence[Part]
    #: Called after every change, with all children: writes what ``status`` reads.
    changed: Callable[[Sequence[Child]], None]
    #: Says one sentence to the operator.
    say: Callable[[str], None]
    #: Called once, when the first signal asks to stop and before any child is told.
    stopping: Callable[[], None]
    #: Seconds everything together may take to end.
    grace: float = 30.0
    #: Called between two looks at the children, once for all SIGHUPs that came since the last time.
    reload: Callable[[], None] = lambda: None
    #: Child → where it speaks to the supervisor, as far as it does.
    wires: Mapping[str, Wire] = field(default_factory=dict)
    #: Called with the name of a child that has something to say.
    hear: Callable[[str], None] = lambda _: None
    children: list[Child] = field(init=False)

    def __post_init__(self) -> None:
        self.children = [Child(part) for part in self.parts]
        self._lifeline, self._held = os.pipe()
        self._signals, self._wake = socket.socketpair()
        self._asked_to_stop = 0
        self._asked_to_reload = False

    @property
    def stopping_now(self) -> bool:
        """Whether SIGTERM or SIGINT has come."""
        return self._asked_to_stop > 0

    def run(self) -> int:
        """Start every part, keep it alive, and return 0 once SIGTERM or SIGINT has ended them all."""
        self._heed_signals()
        while not self._asked_to_stop:
            self._start_what_is_due()
            self._wait(self._next_start())
            self._reap()
            if self._asked_to_reload and not self._asked_to_stop:
                self._asked_to_reload = False
                self.reload()
                self._reap()
        self._stop()
        return 0

    def kill(self, name: str) -> None:
        """End the process called *name* at once, if it runs; it is started again like one that crashed."""
        self._signal([child for child in self.children if child.part.name == name], signal.SIGKILL)

    def _heed_signals(self) -> None:
        self._signals.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGHUP, self._ask_to_reload)

    def _ask_to_stop(self, *_: object) -> None:
        self._asked_to_stop += 1

    def _ask_to_reload(self, *_: object) -> None:
        self._asked_to_reload = True

    def _start_what_is_due(self) -> None:
        now, started = time.monotonic(), False
        for child in self.children:
            if child.pid is None and child.start_after <= now and child.part.ready():
                self._start(child)
                started = True
        if started:
            self.changed(self.children)

    def _start(self, child: Child) -> None:
        try:
            child.part.before_fork()
            sys.stdout.flush()
            sys.stderr.flush()
            pid = self._fork(child.part)
        except OSError as ex:
            # No memory, or no descriptors: that may pass.
            child.part.ended()
            self._back_off(child)
            self.say(f"{child.part.name} cannot be started now ({ex.strerror}); trying again")
            return
        child.pid, child.started_at, child.began = pid, clock.now(), time.monotonic()
        child.part.in_parent()

    def _fork(self, part: Part) -> int:
        # What reached the child before it stopped heeding signals as the supervisor does would be lost for good.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        try:
            pid = os.fork()
            if pid == 0:
                self._become(part, held)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return pid

    def _become(self, part: Part, held: set[int | signal.Signals]) -> NoReturn:
        """Turn this forked process into *part*; never returns."""
        code = 1
        try:
            # A group of its own: Ctrl-C in a terminal is for the supervisor, which ends the rest in order.
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            for number in _HEEDED:
                signal.signal(number, signal.SIG_DFL)
            # Whoever sends it to every process of a daemon means the supervisor.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
            self._signals.close()
            self._wake.close()
            os.close(self._held)
            code = part.in_child(Lifeline(self._lifeline))
        except SystemExit as ex:
            code = ex.code if isinstance(ex.code, int) else 1
        except BaseException:  # noqa: BLE001 - nothing may unwind into the supervisor's own code
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _next_start(self) -> float | None:
        waiting = [child.start_after for child in self.children if child.pid is None and child.part.ready()]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _wait(self, seconds: float | None) -> None:
        wires = dict(self.wires)
        readable, _, _ = select.select([self._signals, *wires.values()], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            self._signals.recv(4096)
        for name, wire in wires.items():
            if wire in readable:
                self.hear(name)

    def _reap(self) -> None:
        ended = False
        for child in self.children:
            if child.pid is None:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._note_end(child, os.waitstatus_to_exitcode(status))
                ended = True
        if ended:
            self.changed(self.children)

    def _note_end(self, child: Child, code: int) -> None:
        child.last_exit = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
        lived = time.monotonic() - child.began
        child.pid = None
        child.part.ended()
        if self._asked_to_stop:
            return
        child.restarts += 1
        # Exit 0 is a child that ended because its partner did: no fault of its own.
        self._back_off(child, anew=code == 0 or lived >= LIVED_WELL)
        if code:
            # Nobody else kills with it at night: https://docs.kernel.org/admin-guide/mm/concepts.html#oom-killer
            memory = ": by somebody, or by the system because memory ran out" if code == -signal.SIGKILL else ""
            self.say(f"{child.part.name} ended unexpectedly ({child.last_exit}{memory}); starting it again")

    def _back_off(self, child: Child, *, anew: bool = False) -> None:
        child.wait = FIRST_WAIT if anew else min(child.wait * 2, LONGEST_WAIT)
        child.start_after = time.monotonic() + child.wait

    def _stop(self) -> None:
        """End all children in order within the grace time; a second signal, or the end of it, kills what is left."""
        self.stopping()
        deadline = time.monotonic() + self.grace
        for group in sorted({child.part.stops for child in self.children}):
            members = [child for child in self.children if child.part.stops == group]
            self._signal(members, signal.SIGTERM)
            while any(child.pid for child in members) and self._asked_to_stop == 1 and time.monotonic() < deadline:
                self._wait(max(0.0, deadline - time.monotonic()))
                self._reap()
        left = [child for child in self.children if child.pid]
        if left:
            names = ", ".join(child.part.name for child in left)
            self.say(f"{names} did not end in time and is killed; what it was doing is repeated at the next start")
            self._signal(left, signal.SIGKILL)
            for child in left:
                if child.pid:
                    os.waitpid(child.pid, 0)

    def _signal(self, children: Sequence[Child], number: signal.Signals) -> None:
        for child in children:
            if child.pid:
                os.kill(child.pid, number)
