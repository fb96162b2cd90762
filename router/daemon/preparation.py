"""What is done before the first process is forked: locks, listeners, and a store that fits the configuration."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from collections.abc import Collection
from pathlib import Path

from router import clock
from router.config import Address, Config
from router.disk import out_of_reach
from router.engine import open_commands, open_store, prepare
from router.errors import AlreadyRunning, ConfigError, RouterError
from router.location import PostgresAt
from router.logs import Log
from router.worker.fitting import changed_since_paused, former_names, paused, stranded
from router.worker.orders import CURSOR, Orders
from router.worker.routing import Routing

INGEST, WORKER = "ingest", "worker"
#: Seconds to wait for the processes of a killed daemon to end before a new one refuses to start.
PATIENCE = 8.0


def hold(data: Path, role: str) -> int:
    """Hold the data folder for *role*; the lock is inherited by every process, so that none of them can be outrun."""
    path = data / f"daemon-{role}.lock"
    try:
        data.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as ex:
        why = out_of_reach(data) or f"cannot write to {data}: {ex.strerror}"
        raise RouterError(f"{why}. Who runs callrouter must own it, and its disk must be mounted for writing") from None
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


def listen(config: Config, roles: Collection[str]) -> dict[str, socket.socket]:
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
        text = f"cannot listen on {address} ({what} in the configuration): {ex.strerror}"
        if ex.errno == errno.EADDRINUSE:
            text += f". Another program does; this names it: ss -ltnp 'sport = :{address.port}'"
        raise RouterError(text) from None
    sock.listen(1024)
    sock.set_inheritable(True)
    return sock


def address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return str(Address(host, port))


def prepare_serving(config: Config) -> None:
    """Have the tables there that events are put into, where they are in a database that no worker may have used yet."""
    if isinstance(config.store, PostgresAt):
        open_store(config).close()


def prepare_store(config: Config, log: Log) -> None:
    """Bring the store up to date and refuse a configuration that would strand deliveries."""
    store = open_store(config)
    try:
        obeys = prepare(config, store, delivers=True)
        orders = Orders(store, Routing(store, config), config, log, open_commands(config, store))
        with store.transaction():
            store.know(config.destinations, former_names(config))
            # A daemon that will not start must still hear `give-up`: it is how an operator gets it to start.
            position = store.cursors().get(CURSOR, 0)
            while obeys and position != (position := orders.obey(position, clock.now())):
                pass

        def go_on() -> None:
            with store.transaction():
                orders.go_on(clock.now())

        if obeys:
            orders.hurry(go_on, lambda: stranded(store, config), float("inf"))
        log.flush()
        if problems := stranded(store, config):
            raise ConfigError(problems)
        for name in changed_since_paused(config, paused(config)):
            store.resume(name, clock.now())
            log.say("daemon", f"{name}: its settings have changed since it was paused; sending again")
    finally:
        store.close()
