"""The composition root: which processes a role needs, built from a Config."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from router import __version__, logs
from router.config import Config, Destination, load
from router.config.model import Address
from router.errors import AlreadyRunning, ConfigError, Problem, RouterError
from router.inbox.writer import InboxWriter
from router.logs import Log
from router.metrics import Metrics
from router.sender import Share
from router.sender import process as sender_process
from router.status import readiness
from router.store.sqlite import SqliteStore
from router.store.sqlite_reading import SqliteReading
from router.supervisor import Child, Lifeline, Part, Supervisor
from router.web import make_admin_app, make_ingest_app
from router.web.server import serve
from router.worker.loop import Worker

INGEST, WORKER = "ingest", "worker"
#: Seconds an ingest process may take to answer what it has accepted.
INGEST_GRACE = 10
#: Seconds everything together may take to stop; longer than one attempt.
GRACE = 40.0
#: Seconds to wait for the processes of a killed daemon to end before a new one refuses to start.
PATIENCE = 8.0


def run(config_path: Path, roles: Collection[str] = (INGEST, WORKER)) -> int:
    """Run the daemon's *roles* until SIGTERM; return the exit code.

    Raises ConfigError before anything is touched when the configuration is wrong, and AlreadyRunning when another
    daemon works on the same data.
    """
    config = load(config_path)
    log = logs.start("daemon")
    for warning in config.warnings:
        log.say("config", str(warning), level="warning")
    config.data.mkdir(parents=True, exist_ok=True)
    locks = [_lock(config.data, role) for role in sorted(roles)]
    listeners = _listen(config, roles)
    if WORKER in roles:
        _prepare_store(config, log)
    metrics = Metrics(config.data / "metrics" / "-".join(sorted(roles)))
    wiring = _Wiring(config, metrics, senders=max(1, len(os.sched_getaffinity(0))))
    parts: list[Part] = [AdminPart(wiring, listeners["admin"])] if "admin" in listeners else []
    if WORKER in roles:
        parts += [WorkerPart(wiring), *(SenderPart(wiring, index) for index in range(wiring.senders))]
    if INGEST in roles:
        parts += [IngestPart(wiring, listeners["listen"])]
    state = _StateFile(config, roles, {name: _address(sock) for name, sock in listeners.items()})
    supervisor = Supervisor(parts, state.write, lambda text: log.say("daemon", text, level="warning"), GRACE)
    _greet(log, config, roles, state.addresses)
    # What is loaded by now is shared by every process; leaving it out of collections keeps it shared.
    gc.collect()
    gc.freeze()
    try:
        code = supervisor.run()
    finally:
        state.remove()
    log.say("daemon", "stopped; everything accepted is on disk and goes on at the next start")
    for lock in locks:
        os.close(lock)
    return code


# Before the first process is forked ------------------------------------------------------------------------------


def _lock(data: Path, role: str) -> int:
    """Hold the data folder for *role*; the lock is inherited by every process, so that none of them can be outrun."""
    path = data / f"daemon-{role}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            if _alive(holder) or time.monotonic() > deadline:
                os.close(descriptor)
                who = f"another callrouter (process {holder or 'unknown'})"
                raise AlreadyRunning(f"{who} is running the {role} on {data}/; stop it first") from None
            time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _alive(pid: str) -> bool:
    return pid.isdigit() and Path(f"/proc/{pid}").exists() and not _zombie(pid)


def _zombie(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in ("Z", "X")
    except (OSError, IndexError):
        return True


def _listen(config: Config, roles: Collection[str]) -> dict[str, socket.socket]:
    """Bind here, not in the ingest process: while that one starts again, connections wait instead of being refused."""
    wanted = {"listen": config.listen} if INGEST in roles else {}
    if WORKER in roles:
        wanted["admin"] = config.admin
    return {name: _bind(address, name) for name, address in wanted.items()}


def _bind(address: Address, key: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address.host, address.port))
    except OSError as ex:
        what = "listen" if key == "listen" else "admin.listen"
        raise RouterError(f"cannot listen on {address} ({what} in the configuration): {ex.strerror}") from None
    sock.listen(1024)
    sock.set_inheritable(True)
    return sock


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return str(Address(host, port))


def _prepare_store(config: Config, log: Log) -> None:
    """Bring the store up to date and refuse a configuration that would strand deliveries."""
    store = SqliteStore.open(config.data)
    try:
        formerly = {name: d.formerly for name, d in config.destinations.items() if d.formerly}
        with store.transaction():
            store.know(config.destinations, formerly)
        stranded = store.unknown_destinations(config.destinations)
        if stranded:
            raise ConfigError([_stranded(config, name, count) for name, count in sorted(stranded.items())])
        _resume_changed(config, store, log)
    finally:
        store.close()


def _stranded(config: Config, name: str, count: int) -> Problem:
    text = f'destination "{name}" is gone from the configuration, but {count} deliveries to it are unfinished'
    hint = (
        f"put it back; or say `formerly: {name}` on the destination that replaces it; or move them to the dead "
        f"letters: callrouter give-up {name}"
    )
    return Problem(str(config.path), 1, 1, text, hint)


def _resume_changed(config: Config, store: SqliteStore, log: Log) -> None:
    """End a pause that the destination's own answer caused, once its settings are no longer the refused ones."""
    reading = SqliteReading.open(config.data)
    try:
        rows = reading.destinations()
    finally:
        reading.close()
    for row in rows:
        destination: Destination | None = config.destinations.get(row.name)
        if destination and row.paused_fingerprint and row.paused_fingerprint != destination.fingerprint:
            with store.transaction():
                store.resume(row.name)
            log.say("daemon", f"{row.name}: its settings have changed since it was paused; sending again")


def _greet(log: Log, config: Config, roles: Collection[str], addresses: dict[str, str]) -> None:
    log.say("daemon", f"callrouter {__version__} with {config.path} (version {config.version})")
    if INGEST in roles:
        for name, source in config.sources.items():
            guard = "" if source.authentication else "  (no auth: anyone who can reach it may post)"
            log.say("daemon", f"POST call events to http://{addresses['listen']}/webhooks/{name}{guard}")
    admin = f"  ·  health and metrics on http://{addresses['admin']}/" if "admin" in addresses else ""
    log.say("daemon", f"writing to {config.data}/{admin}")
    for name, destination in config.destinations.items():
        if destination.disabled:
            log.say("daemon", f"destination {name} is off: {destination.disabled}")


# The processes ---------------------------------------------------------------------------------------------------


@dataclass
class _Wiring:
    """What the parts of one daemon share in the supervisor."""

    config: Config
    metrics: Metrics
    senders: int
    #: The supervisor's end of the way to the worker, over which it passes the worker's ends of the senders' sockets.
    control: socket.socket | None = None
    senders_running: set[int] = field(default_factory=set)


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

    def __init__(self, wiring: _Wiring, sock: socket.socket) -> None:
        self._wiring, self._sock = wiring, sock

    def in_child(self, lifeline: Lifeline) -> int:
        config, metrics = self._wiring.config, self._wiring.metrics
        logs.start(self.name)

        def make_app() -> object:
            inbox = InboxWriter(config.data / "inbox")

            def not_ready() -> list[str]:
                problem = inbox.problem()
                return [*([problem] if problem else []), *readiness(config, time.time())]

            return make_ingest_app(config, inbox, metrics, not_ready)

        serve(make_app, self._sock, graceful_timeout=INGEST_GRACE, on_worker_start=_watch(lifeline))


class AdminPart(_Quiet):
    """gunicorn with the Falcon app for operators: health and metrics, apart so that a slow scrape delays no event."""

    name, stops = "admin", 2

    def __init__(self, wiring: _Wiring, sock: socket.socket) -> None:
        self._wiring, self._sock = wiring, sock

    def in_child(self, lifeline: Lifeline) -> int:
        config, metrics = self._wiring.config, self._wiring.metrics
        logs.start(self.name)

        def make_app() -> object:
            return make_admin_app(
                lambda: metrics.render(lambda: SqliteReading.open(config.data)),
                lambda: readiness(config, time.time()),
            )

        serve(make_app, self._sock, graceful_timeout=2, on_worker_start=_watch(lifeline))


class WorkerPart(_Quiet):
    """The one writer of the store."""

    name, stops = "worker", 1

    def __init__(self, wiring: _Wiring) -> None:
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

    def __init__(self, wiring: _Wiring, index: int) -> None:
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
        lifeline.watch(lambda: os._exit(0))
        logs.start(self.name)
        return sender_process.run(self._wiring.config, ours, Share(self._index, self._wiring.senders))

    def ended(self) -> None:
        self._wiring.senders_running.discard(self._index)


def _watch(lifeline: Lifeline) -> Callable[[], None]:
    """Return what a gunicorn worker calls when it starts: end the arbiter, and so itself, with the supervisor."""

    def start() -> None:
        arbiter = os.getppid()
        lifeline.watch(lambda: os.kill(arbiter, signal.SIGTERM))

    return start


# What ``status`` reads -------------------------------------------------------------------------------------------


class _StateFile:
    """``data/daemon.json``: who runs, since when, and where it listens."""

    def __init__(self, config: Config, roles: Collection[str], addresses: dict[str, str]) -> None:
        only = sorted(roles)[0] if len(roles) == 1 else None
        self._path = config.data / (f"daemon-{only}.json" if only else "daemon.json")
        self.addresses = addresses
        self._head = {
            "pid": os.getpid(),
            "version": __version__,
            "started_at": time.time(),
            "config": str(config.path),
            "config_version": config.version,
            **addresses,
        }

    def write(self, children: Sequence[Child]) -> None:
        """Put the processes as they are now in place of what the file said."""
        processes = [
            {
                "name": child.part.name,
                "pid": child.pid,
                "started_at": child.started_at,
                "restarts": child.restarts,
                "state": child.state,
                "last_exit": child.last_exit,
            }
            for child in children
        ]
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({**self._head, "processes": processes}, indent=1))
        fresh.replace(self._path)

    def remove(self) -> None:
        """The daemon has stopped in order."""
        self._path.unlink(missing_ok=True)
