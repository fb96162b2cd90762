"""The processes of a daemon, and what runs in each."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from router import logs
from router.config import Config
from router.inbox.writer import InboxWriter
from router.metrics import Metrics
from router.sender import Share
from router.sender import process as sender_process
from router.status import readiness
from router.store.sqlite import SqliteStore
from router.store.sqlite_reading import SqliteReading
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

    config: Config
    metrics: Metrics
    senders: int
    #: ``listen`` and ``admin``, as far as this daemon has them; bound before any process was forked.
    listeners: dict[str, socket.socket]
    #: The supervisor's end of the way to the worker, over which it passes the worker's ends of the senders' sockets.
    control: socket.socket | None = None
    senders_running: set[int] = field(default_factory=set)

    def keep(self, *names: str) -> None:
        """Close every listener but *names* in this process: one that stays open anywhere takes connections for ever."""
        for name, listener in self.listeners.items():
            if name not in names:
                listener.close()


class _Quiet:
    """What most parts have nothing to do for."""

    def ready(self) -> bool:
        return True

    def before_fork(self) -> None:
        return

    def in_parent(self) -> None:
        return

    def ended(self) -> None:
        return


class IngestPart(_Quiet):
    """gunicorn with the Falcon app that takes call events in."""

    name, stops = "ingest", 0

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def in_child(self, lifeline: Lifeline) -> int:
        config, metrics = self._wiring.config, self._wiring.metrics
        self._wiring.keep("listen")
        logs.start(self.name)

        def make_app() -> object:
            inbox = InboxWriter(config.data / "inbox")

            def not_ready() -> list[str]:
                problem = inbox.problem()
                return [*([problem] if problem else []), *readiness(config, time.time())]

            return make_ingest_app(config, inbox, metrics, not_ready)

        listener = self._wiring.listeners["listen"]
        serve(make_app, listener, graceful_timeout=INGEST_GRACE, on_worker_start=_watch(lifeline))


class AdminPart(_Quiet):
    """gunicorn with the Falcon app for operators: health and metrics, apart so that a slow scrape delays no event."""

    name, stops = "admin", 2

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def in_child(self, lifeline: Lifeline) -> int:
        config, metrics = self._wiring.config, self._wiring.metrics
        self._wiring.keep("admin")
        logs.start(self.name)

        def make_app() -> object:
            return make_admin_app(
                lambda: metrics.render(lambda: SqliteReading.open(config.data)),
                lambda: readiness(config, time.time()),
            )

        serve(make_app, self._wiring.listeners["admin"], graceful_timeout=2, on_worker_start=_watch(lifeline))


class WorkerPart(_Quiet):
    """The one writer of the store."""

    name, stops = "worker", 1

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._inner: socket.socket | None = None

    def ready(self) -> bool:
        # An attempt of the last worker's senders must not run beside the next one's.
        return not self._wiring.senders_running

    def before_fork(self) -> None:
        self._wiring.control, self._inner = socket.socketpair()

    def in_parent(self) -> None:
        if self._inner:
            self._inner.close()
            self._inner = None

    def in_child(self, lifeline: Lifeline) -> int:
        wiring, inner = self._wiring, self._inner
        assert wiring.control is not None and inner is not None  # noqa: S101, PT018 - made by before_fork
        wiring.control.close()
        wiring.keep()
        lifeline.watch(lambda: os.kill(os.getpid(), signal.SIGTERM))
        log = logs.start(self.name)
        store = SqliteStore.open(wiring.config.data)
        try:
            worker = Worker(
                wiring.config, store, log=log, metrics=wiring.metrics, control=inner, senders=wiring.senders
            )
            return worker.run()
        finally:
            store.close()

    def ended(self) -> None:
        if self._wiring.control:
            self._wiring.control.close()
            self._wiring.control = None


class SenderPart(_Quiet):
    """One process that sends, on a core of its own where there are enough."""

    stops = 1

    def __init__(self, wiring: Wiring, index: int) -> None:
        self.name = f"sender-{index + 1}"
        self._wiring, self._index = wiring, index
        self._pair: tuple[socket.socket, socket.socket] | None = None

    def ready(self) -> bool:
        return self._wiring.control is not None

    def before_fork(self) -> None:
        self._pair = socket.socketpair()

    def in_parent(self) -> None:
        assert self._pair is not None and self._wiring.control is not None  # noqa: S101, PT018 - ready said so
        theirs, ours = self._pair
        self._wiring.senders_running.add(self._index)
        try:
            socket.send_fds(self._wiring.control, [bytes([self._index])], [theirs.fileno()])
        except OSError:
            # The worker has just ended: with both ends closed here, this sender ends too and is started again.
            pass
        finally:
            theirs.close()
            ours.close()
            self._pair = None

    def in_child(self, lifeline: Lifeline) -> int:
        assert self._pair is not None  # noqa: S101 - made by before_fork
        theirs, ours = self._pair
        theirs.close()
        if self._wiring.control:
            self._wiring.control.close()
        self._wiring.keep()
        lifeline.watch(lambda: os._exit(0))
        logs.start(self.name)
        share = Share(self._index, self._wiring.senders)
        return sender_process.run(self._wiring.config, ours, share, grace=SENDER_GRACE)

    def ended(self) -> None:
        self._wiring.senders_running.discard(self._index)


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
