"""The composition root: which processes a role needs, built from a Config."""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from router import __version__, clock, logs
from router.config import Config, load
from router.daemon.notify import Notifier
from router.daemon.parts import AdminPart, IngestPart, SenderPart, Wiring, WorkerPart
from router.daemon.preparation import INGEST, WORKER, address, hold, listen, prepare_serving, prepare_store
from router.daemon.reloading import Reloading
from router.daemon.state import StateFile
from router.logs import Log
from router.metrics import Metrics
from router.supervisor import Child, Part, Supervisor
from router.worker.fitting import withheld

__all__ = ["INGEST", "WORKER", "run"]

#: Seconds everything together may take to stop; longer than one attempt.
GRACE = 40.0


def run(config_path: Path, roles: Collection[str] = (INGEST, WORKER)) -> int:
    """Run the daemon's *roles* until SIGTERM; return the exit code.

    Raises ConfigError before anything is touched when the configuration is wrong, and AlreadyRunning when another
    daemon works on the same data.
    """
    notifier = Notifier.from_environment()
    config = load(config_path)
    # Phone numbers and bodies are nobody else's on this machine.
    os.umask(0o027)
    log = logs.start("daemon")
    for warning in config.warnings:
        log.say("config", str(warning), level="warning")
    locks = [hold(config.data, role) for role in sorted(roles)]
    listeners = listen(config, roles)
    if WORKER in roles:
        prepare_store(config, log)
    else:
        prepare_serving(config)
    metrics = Metrics(config.data / "metrics" / "-".join(sorted(roles)))
    senders = max(1, len(os.sched_getaffinity(0)))
    wiring = Wiring(config, metrics, senders=senders, listeners=listeners, started_at=clock.now())
    addresses = {name: address(sock) for name, sock in listeners.items()}
    state = StateFile(config, roles, addresses, wiring.started_at)
    reloading = Reloading(wiring, state, log, roles)

    def changed(children: Sequence[Child]) -> None:
        _write(state, children, log)
        notifier.changed(children)

    def stopping() -> None:
        notifier.stopping()
        # Whoever posts from now on is refused at once, and does not wait for an answer that will not come.
        wiring.keep("admin")

    def reload() -> None:
        notifier.reloading()
        reloading.reload(supervisor)
        notifier.reloaded()

    supervisor = Supervisor(
        _parts(wiring, roles),
        changed=changed,
        say=lambda text: log.say("daemon", text, level="warning"),
        stopping=stopping,
        grace=GRACE,
        reload=reload,
        wires=wiring.links,
        hear=reloading.hear,
    )
    _greet(log, config, roles, state.addresses)
    _collect_seldom()
    try:
        code = supervisor.run()
    finally:
        state.remove()
    log.say("daemon", "stopped; everything accepted is on disk and goes on at the next start")
    for lock in locks:
        os.close(lock)
    return code


def _parts(wiring: Wiring, roles: Collection[str]) -> list[Part]:
    parts: list[Part] = [AdminPart(wiring)] if "admin" in wiring.listeners else []
    if WORKER in roles:
        parts += [WorkerPart(wiring), *(SenderPart(wiring, index) for index in range(wiring.senders))]
    if INGEST in roles:
        parts += [IngestPart(wiring)]
    return parts


def _collect_seldom() -> None:
    # What is loaded by now is shared by every process; leaving it out of collections keeps it shared.
    gc.collect()
    gc.freeze()
    # The hot paths make no cycles; looking for them after every 700 objects costs a twentieth of the time.
    gc.set_threshold(20_000, 20, 20)


def _write(state: StateFile, children: Sequence[Child], log: Log) -> None:
    try:
        state.write(children)
    except OSError as ex:
        # A full disk must not end what waits for it to have room again.
        log.say("daemon", f"status cannot be told which processes run: {ex.strerror}", level="warning")


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
    for sentence in withheld(config) if WORKER in roles else ():
        log.say("daemon", f"{sentence}. It goes on with callrouter resume", level="warning")
