"""The sender process: jobs in from the worker, outcomes back, until the worker is gone or SIGTERM comes."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

from router.config.model import Config, Destination
from router.reload.follower import Follower
from router.reload.link import Link
from router.sender import DIVIDED, RECALL, Job, Outcome, Share
from router.sender.attempt import Attempt, Attempts, released
from router.sender.batches import Batches
from router.sender.begun import Begun, memory
from router.sender.frames import Decoder, encode
from router.sender.lanes import Lane
from router.shares import WHOLE, Place

#: Between two looks at lanes whose jobs wait, in seconds; also the longest an outcome waits for company.
TICK = 0.005

#: Between two looks at how many threads a lane needs. Longer than the system lets a thread wait for a core, or a busy
#: machine would look like a slow destination, and more threads would make it busier.
LOOK = 0.02

#: Outcomes to a frame: small frames would wake the worker for each.
GROUP = 64

_STOPPING = "the sender is stopping"


def run(
    config: Config,
    sock: socket.socket,
    share: Share,
    *,
    reload: Link,
    number: int = 0,
    grace: float = 10.0,
    begun: Begun | None = None,
) -> int:
    """Serve jobs from *sock* until it closes or SIGTERM comes; return the exit code.

    *config* is that of reload *number*; over *reload* come others, which are used from the next attempt on. Each
    attempt that begins is noted in *begun*.

    Each destination gets as many threads as *share* gives it. At the end nothing new is begun: what waits is reported
    as released, and what is being sent has *grace* seconds to end. Must run in the main thread.
    """
    return _Sender(config, sock, share, begun or Begun(memory()), reload=reload, number=number).run(grace)


def _attempts(config: Config, destination: Destination, begun: Begun) -> Callable[[], Attempt]:
    overrides = config.routes.overrides(destination.name)
    if destination.plugin.batch_size > 1:
        return partial(Batches, destination, overrides, begun=begun)

    def prepare() -> Attempt:
        make = Attempts(destination, overrides).make

        def attempt(job: Job) -> Outcome:
            begun.begin(job.delivery_id, job.attempt)
            return make(job)

        return attempt

    return prepare


def _not_served(name: str) -> str:
    return f"this sender does not serve {name}"


class _Reports:
    """Outcomes on their way to the worker: in groups, and at once when there is nothing to wait for."""

    def __init__(self, sock: socket.socket, begun: Begun) -> None:
        self._sock = sock
        self._begun = begun
        self._lock = threading.Lock()
        self._waiting: list[Outcome] = []

    def add(self, outcome: Outcome, *, at_once: bool) -> None:
        self._begun.end(outcome.delivery_id, outcome.attempt)
        with self._lock:
            self._waiting.append(outcome)
            if at_once or len(self._waiting) >= GROUP:
                self._send()

    def flush(self) -> None:
        with self._lock:
            self._send()

    def _send(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            # A worker that is gone will find these deliveries leased and lapsed.
            with contextlib.suppress(OSError):
                self._sock.sendall(encode(group))
                self._begun.told((outcome.delivery_id, outcome.attempt) for outcome in group)


class _Sender:
    def __init__(
        self, config: Config, sock: socket.socket, share: Share, begun: Begun, *, reload: Link, number: int
    ) -> None:
        self._config = config
        self._begun = begun
        self._follower = Follower(reload, config, number=number, use=self._use)
        self._sock = sock
        self._share = share
        self._place = WHOLE
        self._decoder = Decoder(Job)
        self._reports = _Reports(sock, begun)
        self._lanes: dict[str, Lane] = {}
        #: Lanes of destinations that are not served any more, while an attempt is under way.
        self._retired: list[Lane] = []
        self._next_tick = self._next_look = 0.0
        self._woken, self._wake = socket.socketpair()

    def run(self, grace: float) -> int:
        before = signal.signal(signal.SIGTERM, lambda *_: self._wake.send(b"."))
        # Ctrl-C reaches every process of the terminal; the supervisor alone decides what it means.
        interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            while self._turn():
                pass
            self._finish(time.monotonic() + grace)
        finally:
            signal.signal(signal.SIGTERM, before)
            signal.signal(signal.SIGINT, interrupted)
            self._woken.close()
            self._wake.close()
        return 0

    def _turn(self) -> bool:
        """Take in what has come; return False when it is time to end."""
        listened_to: list[socket.socket | Follower] = [self._sock, self._woken, self._follower]
        readable, _, _ = select.select(listened_to, [], [], self._patience())
        if self._woken in readable:
            return False
        if self._follower in readable and not self._follower.hear():
            return False
        if self._sock in readable:
            jobs = self._receive()
            if jobs is None:
                return False
            self._hand_out(jobs)
        if (now := time.monotonic()) >= self._next_tick:
            self._next_tick = now + TICK
            self._reports.flush()
        if now >= self._next_look:
            self._next_look = now + LOOK
            for lane in self._lanes.values():
                lane.tick()
            self._retired = [lane for lane in self._retired if lane.sending]
        return True

    def _patience(self) -> float | None:
        lanes = [*self._lanes.values(), *self._retired]
        if any(lane.backlog for lane in lanes):
            return TICK
        # An outcome that just missed the last flush must not wait for a send that takes long.
        return 10 * TICK if any(lane.sending for lane in lanes) else None

    def _receive(self, flags: int = 0) -> list[Job] | None:
        """Return the jobs that have come; None when the worker is gone."""
        try:
            piece = self._sock.recv(1 << 20, flags)
        except OSError:
            return None
        return self._decoder.feed(piece) if piece else None

    def _hand_out(self, jobs: Iterable[Job]) -> None:
        if not any(lane.backlog for lane in self._lanes.values()):
            # Nothing could have been sent before there was something to send.
            self._next_look = time.monotonic() + LOOK
        by_destination: dict[str, list[Job]] = {}
        recalled: set[str] = set()
        for job in jobs:
            if job.attempt == RECALL:
                recalled.add(job.destination)
            elif job.attempt == DIVIDED:
                # What came before it in the same frame is given back: it was claimed by other parts.
                self._divide(Place(job.delivery_id, int(job.received_at)))
            else:
                by_destination.setdefault(job.destination, []).append(job)
        for name, some in by_destination.items():
            lane = self._lanes.get(name) or self._open(name)
            if lane:
                lane.put(some)
            else:
                self._release(some, _not_served(name))
        for name in recalled & self._lanes.keys():
            self._lanes[name].stop("the worker wants it back")
            self._reports.flush()

    def _release(self, jobs: Iterable[Job], reason: str) -> None:
        for job in jobs:
            self._reports.add(released(job, reason), at_once=False)
        self._reports.flush()

    def _open(self, name: str) -> Lane | None:
        destination = self._config.destinations.get(name)
        if destination is None or (limit := self._limit(destination)) < 1:
            return None
        attempts, kept = _attempts(self._config, destination, self._begun), self._kept(destination)
        lane = Lane(name, limit, attempts, self._report, kept=kept, batch=destination.plugin.batch_size)
        self._lanes[name] = lane
        return lane

    def _limit(self, destination: Destination) -> int:
        part = self._place.part(destination.concurrency)
        return 0 if destination.disabled else self._share.threads(destination.name, part)

    def _kept(self, destination: Destination) -> int:
        return self._share.kept(destination.name, self._place.part(destination.concurrency))

    def _divide(self, place: Place) -> None:
        if place != self._place:
            self._place = place
            self._serve(self._config)

    def _use(self, config: Config, _: int) -> None:
        """Serve by *config*. Every plugin is made anew: what it was made of may have changed behind an equal text."""
        self._config = config
        self._serve(config)

    def _serve(self, config: Config) -> None:
        for name, lane in list(self._lanes.items()):
            destination = config.destinations.get(name)
            if destination is not None and (limit := self._limit(destination)) > 0:
                attempts, batch = _attempts(config, destination, self._begun), destination.plugin.batch_size
                lane.change(limit, attempts, kept=self._kept(destination), batch=batch)
            else:
                lane.retire(_not_served(name))
                self._retired.append(self._lanes.pop(name))
        self._reports.flush()

    def _report(self, outcome: Outcome) -> None:
        idle = not any(lane.backlog for lane in tuple(self._lanes.values()))
        self._reports.add(outcome, at_once=idle)

    def _finish(self, deadline: float) -> None:
        for lane in self._lanes.values():
            lane.stop(_STOPPING)
        self._reports.flush()
        lanes = [*self._lanes.values(), *self._retired]
        while time.monotonic() < deadline and any(lane.sending for lane in lanes):
            # Jobs that were under way to us when the end came go back as well.
            readable, _, _ = select.select([self._sock], [], [], TICK)
            late = self._receive() if readable else []
            if late is None:
                time.sleep(TICK)
            else:
                self._release(late, _STOPPING)
        while late := self._receive(socket.MSG_DONTWAIT):
            self._release(late, _STOPPING)
        self._reports.flush()
