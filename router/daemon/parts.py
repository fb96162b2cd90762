"""The processes of a daemon, and what runs in each."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from router import clock, logs
from router.config import Config
from router.disk import sizes
from router.engine import intake, membership, open_commands, open_inbox, open_reading, open_store
from router.inbox.room import Room
from router.metrics import InUse, Metrics, Policy
from router.reload import answer
from router.reload.follower import Follower
from router.reload.link import Link
from router.sender import Share
from router.sender import process as sender_process
from router.sender.begun import Begun, memory
from router.status import breakers, daemons, readiness
from router.supervisor import Lifeline
from router.web import make_admin_app, make_ingest_app
from router.web.server import serve
from router.worker.loop import Worker

#: Seconds an ingest process may take to answer what it has accepted.
INGEST_GRACE = 10
#: Seconds a sender may take to end the attempts it has begun. Both together are less than the daemon's own grace.
SENDER_GRACE = 28.0


@dataclass
class Wiring:
    """What the parts of one daemon share in the supervisor."""

    #: In use now: what a process that is made from now on begins with.
    config: Config
    metrics: Metrics
    senders: int
    #: ``listen`` and ``admin``, as far as this daemon has them; bound before any process was forked.
    listeners: dict[str, socket.socket]
    #: When this daemon was started: what tells it from one before or after it that had the same number.
    started_at: float
    #: The supervisor's end of the way to the worker, over which it passes the worker's ends of the senders' sockets.
    control: socket.socket | None = None
    senders_running: set[int] = field(default_factory=set)
    #: The number of the reload that ``config`` came with; 0 at the start.
    number: int = 0
    #: Part → the supervisor's end of the way to its process.
    links: dict[str, Link] = field(default_factory=dict)

    def keep(self, *names: str) -> None:
        """Close every listener but *names* in this process: one that stays open anywhere takes connections for ever."""
        for name, listener in self.listeners.items():
            if name not in names:
                listener.close()


class _Following:
    """What all parts have in common: each is told of another configuration over a link of its own."""

    name: str

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._link: Link | None = None

    def ready(self) -> bool:
        return True

    def before_fork(self) -> None:
        self._wiring.links[self.name], self._link = Link.pair()

    def in_parent(self) -> None:
        if self._link:
            self._link.close()
            self._link = None

    def ended(self) -> None:
        if link := self._wiring.links.pop(self.name, None):
            link.close()

    def _own_link(self) -> Link:
        """In the child: let go of every other process's link, and return the own one."""
        assert self._link is not None  # noqa: S101 - made by before_fork
        for link in self._wiring.links.values():
            link.close()
        return self._link

    def _in_use(self, link: Link) -> Follower:
        """Follow in a process that gunicorn made, maybe long after this part was forked."""
        follower = Follower(link, self._wiring.config, number=self._wiring.number)
        follower.catch_up()
        # An arbiter that was killed leaves its process behind: it must not go on beside the next one's.
        follower.follow(gone=lambda: os.kill(os.getpid(), signal.SIGTERM))
        return follower


class IngestPart(_Following):
    """gunicorn with the Falcon app that takes call events in."""

    name, stops = "ingest", 0

    def in_child(self, lifeline: Lifeline) -> int:
        metrics, link = self._wiring.metrics, self._own_link()
        self._wiring.keep("listen")
        logs.start(self.name)

        def make_app() -> object:
            used = self._in_use(link)
            data = used.config.data
            room = Room(data, lambda: used.config.disk.refuse_below)
            inbox = open_inbox(used.config, room)

            def not_ready() -> list[str]:
                problem = inbox.problem()
                return [*([problem] if problem else []), *readiness(used.config, clock.now())]

            return make_ingest_app(lambda: used.config, inbox, metrics, not_ready)

        listener = self._wiring.listeners["listen"]
        serve(make_app, listener, graceful_timeout=INGEST_GRACE, on_worker_start=_watch(lifeline))


class AdminPart(_Following):
    """gunicorn with the Falcon app for operators: health and metrics, apart so that a slow scrape delays no event."""

    name, stops = "admin", 2

    def in_child(self, lifeline: Lifeline) -> int:
        metrics, link = self._wiring.metrics, self._own_link()
        self._wiring.keep("admin")
        logs.start(self.name)

        def make_app() -> object:
            used = self._in_use(link)
            data = used.config.data
            return make_admin_app(
                lambda: metrics.render(
                    lambda: open_reading(used.config),
                    lambda: _in_use(data),
                    lambda: sizes(data),
                    _policy(used.config),
                ),
                lambda: readiness(used.config, clock.now()),
            )

        serve(make_app, self._wiring.listeners["admin"], graceful_timeout=2, on_worker_start=_watch(lifeline))


class WorkerPart(_Following):
    """The one writer of the store."""

    name, stops = "worker", 1

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        self._inner: socket.socket | None = None
        self._supervisor = 0

    def ready(self) -> bool:
        # An attempt of the last worker's senders must not run beside the next one's.
        return not self._wiring.senders_running

    def before_fork(self) -> None:
        super().before_fork()
        self._supervisor = os.getpid()
        self._wiring.control, self._inner = socket.socketpair()

    def in_parent(self) -> None:
        super().in_parent()
        if self._inner:
            self._inner.close()
            self._inner = None

    def in_child(self, lifeline: Lifeline) -> int:
        wiring, inner, link = self._wiring, self._inner, self._own_link()
        assert wiring.control is not None and inner is not None  # noqa: S101, PT018 - made by before_fork
        wiring.control.close()
        wiring.keep()
        lifeline.watch(lambda: os.kill(os.getpid(), signal.SIGTERM))
        log = logs.start(self.name)
        store = open_store(wiring.config)
        try:
            worker = Worker(
                wiring.config,
                store,
                intake(wiring.config, store),
                open_commands(wiring.config, store),
                log=log,
                metrics=wiring.metrics,
                control=inner,
                reload=link,
                senders=wiring.senders,
                number=wiring.number,
                daemon=wiring.started_at,
                end=self._end_daemon,
                membership=membership(wiring.config, store, daemon=self._supervisor),
            )
            return worker.run()
        finally:
            store.close()

    def _end_daemon(self) -> None:
        # Once the supervisor is gone, this process ends anyway, and its number may be anybody's.
        if os.getppid() == self._supervisor:
            os.kill(self._supervisor, signal.SIGTERM)

    def ended(self) -> None:
        super().ended()
        if self._wiring.control:
            self._wiring.control.close()
            self._wiring.control = None


class SenderPart(_Following):
    """One process that sends, on a core of its own where there are enough."""

    stops = 1

    def __init__(self, wiring: Wiring, index: int) -> None:
        super().__init__(wiring)
        self.name = f"sender-{index + 1}"
        self._index = index
        self._pair: tuple[socket.socket, socket.socket] | None = None
        self._begun = -1

    def ready(self) -> bool:
        return self._wiring.control is not None

    def before_fork(self) -> None:
        super().before_fork()
        self._pair, self._begun = socket.socketpair(), memory()

    def in_parent(self) -> None:
        super().in_parent()
        assert self._pair is not None and self._wiring.control is not None  # noqa: S101, PT018 - ready said so
        theirs, ours = self._pair
        self._wiring.senders_running.add(self._index)
        try:
            socket.send_fds(self._wiring.control, [bytes([self._index])], [theirs.fileno(), self._begun])
        except OSError:
            # The worker has just ended: with both ends closed here, this sender ends too and is started again.
            pass
        finally:
            theirs.close()
            ours.close()
            os.close(self._begun)
            self._pair = None

    def in_child(self, lifeline: Lifeline) -> int:
        assert self._pair is not None  # noqa: S101 - made by before_fork
        theirs, ours = self._pair
        theirs.close()
        link, wiring = self._own_link(), self._wiring
        if self._wiring.control:
            self._wiring.control.close()
        self._wiring.keep()
        lifeline.watch(lambda: os._exit(0))
        logs.start(self.name)
        share = Share(self._index, wiring.senders)
        return sender_process.run(
            wiring.config,
            ours,
            share,
            reload=link,
            number=wiring.number,
            grace=SENDER_GRACE,
            begun=Begun(self._begun),
        )

    def ended(self) -> None:
        super().ended()
        if self._pair is not None:
            # It was never forked.
            for end in self._pair:
                end.close()
            os.close(self._begun)
            self._pair = None
        self._wiring.senders_running.discard(self._index)


def _in_use(data: Path) -> list[InUse]:
    """Return what the daemons that live on *data* say of their configurations."""
    running = [one for one in daemons(data) if one.alive]
    last = [answer.read(answer.path(data, one.roles)) for one in running]
    return [
        InUse(one.config_version, said is None or said.ok or said.pid != one.pid)
        for one, said in zip(running, last, strict=True)
    ]


def _policy(config: Config) -> Policy:
    """Return what keeps deliveries back by *config*, and by the word of the worker."""
    return Policy({name: one.state for name, one in breakers(config.data).items()}, config.next_open)


def _watch(lifeline: Lifeline) -> Callable[[], None]:
    """Return what a gunicorn worker calls when it starts: end the arbiter, and so itself, with the supervisor."""

    def start() -> None:
        arbiter = os.getppid()

        def end() -> None:
            # The arbiter may be gone already; then this process notices that by itself, and the lifeline sees to it.
            with contextlib.suppress(ProcessLookupError):
                os.kill(arbiter, signal.SIGTERM)

        lifeline.watch(end)

    return start
