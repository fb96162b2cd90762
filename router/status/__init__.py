"""How things stand, gathered for people at three in the morning and for probes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from router.config.model import Config
from router.disk import out_of_reach, sizes
from router.engine import open_commands, open_reading, was_used
from router.errors import RouterError, StoreDamaged, StoreError
from router.event import ALERT
from router.location import PostgresAt
from router.status.inbox import backlog
from router.status.model import (
    AlertStatus,
    BreakerStatus,
    Daemon,
    DestinationStatus,
    Disk,
    Findings,
    InboxStatus,
    Process,
    Status,
    Trouble,
)
from router.status.processes import breakers, daemons, worker_beat
from router.status.troubles import STUCK, UNROUTED, command, troubles
from router.store import FINISHED, DestinationRow, Filter, Reading, State
from router.units import spell

__all__ = [
    "AlertStatus",
    "BreakerStatus",
    "Daemon",
    "DestinationStatus",
    "Disk",
    "Findings",
    "InboxStatus",
    "Process",
    "Status",
    "Trouble",
    "breakers",
    "command",
    "daemons",
    "gather",
    "readiness",
]

#: Refused events older than this no longer ask for anybody; `callrouter events --rejected` still lists them.
_LATELY = 86400.0
#: The refused events of one day are counted up to here.
_COUNTED = 1000
#: Alerts that are shown; `callrouter events --type alert` lists them all.
_ALERTS = 5


def gather(config: Config, now: float) -> Status:
    """Return how things stand. A store that cannot be read is one of the troubles, and no error.

    Raises RouterError where this user cannot look into the data at all.
    """
    if why := out_of_reach(config.data):
        raise RouterError(f"{why}. Ask as the user that callrouter runs as")
    error: StoreError | None = None
    rows: list[DestinationRow] = []
    heard: dict[str, float] = {}
    refused = waiting_commands = 0
    oldest_event: float | None = None
    cursors: dict[str, int] = {}
    alerts: tuple[AlertStatus, ...] = ()
    silences: list[float] = []
    unrouted: InboxStatus | None = None
    try:
        with closing(open_reading(config)) as store:
            alerts = _alerts(store)
            silences = [row.ends_at for row, _ in store.silences(now)]
            rows, heard, cursors = store.destinations(), store.last_events(), store.cursors()
            oldest_event = store.oldest_event()
            refused = _refused_since(store, now - _LATELY)
            unrouted = backlog(config, cursors, store)
            with closing(open_commands(config)) as commands:
                waiting_commands = len(commands.after(store.command_position(), limit=_COUNTED))
    except StoreError as ex:
        # A store that was never made is no trouble of its own: there is nothing in it to read.
        error = ex if was_used(config) else None
    running = daemons(config.data)
    disabled = _disabled(config, running)
    found = Findings(
        now=now,
        config=config.path,
        config_version=config.version,
        data=config.data,
        daemons=running,
        ever_ran=was_used(config) or (config.data / "inbox").exists(),
        worker_beat_at=worker_beat(config.data),
        sources={name: heard.get(name) for name in config.sources},
        destinations=() if error else _destinations(config, running, rows, now),
        refused_lately=refused,
        inbox=unrouted or backlog(config, cursors),
        disk=_disk(config),
        commands_waiting=waiting_commands,
        oldest_event_at=oldest_event,
        store_error=None if error is None else str(error),
        store_damaged=isinstance(error, StoreDamaged),
        shared=isinstance(config.store, PostgresAt),
        alerts=alerts,
        alerts_to={name: disabled.get(name) for name in config.alerts.to},
        silences=len(silences),
        silences_end_at=max(silences, default=None),
    )
    return Status(found, troubles(found))


def readiness(config: Config, now: float) -> list[str]:
    """Return why this callrouter is not ready for events, in sentences; nothing when it is. Cheap enough for probes."""
    reasons = []
    cursors: dict[str, int] = {}
    unrouted: InboxStatus | None = None
    try:
        with closing(open_reading(config)) as store:
            cursors = store.cursors()
            unrouted = backlog(config, cursors, store)
    except StoreError as ex:
        reasons.append(f"The store cannot be read: {ex}")
    processes = [process for one in daemons(config.data) for process in one.processes]
    if not any(process.alive for process in processes if process.name == "worker"):
        reasons.append("The worker is not running: events are accepted and wait.")
    elif (beat := worker_beat(config.data)) is not None and now - beat > STUCK:
        reasons.append(f"The worker has not moved for {spell(now - beat)}.")
    oldest = (unrouted or backlog(config, cursors)).oldest_at
    if oldest is not None and now - oldest > UNROUTED:
        reasons.append(f"The worker is behind: an accepted event has not been routed for {spell(now - oldest)}.")
    return reasons


def _alerts(store: Reading) -> tuple[AlertStatus, ...]:
    return tuple(
        AlertStatus(
            row.received_at,
            json.loads(row.body)["event_payload"]["sentence"],
            {one.destination: one.state.word for one in store.deliveries(Filter(event_id=row.id), _COUNTED)},
        )
        for row in store.events(Filter(event_type=ALERT), _ALERTS)
    )


def _refused_since(store: Reading, since: float) -> int:
    count, before = 0, None
    while count < _COUNTED:
        page = store.quarantined(100, before)
        lately = [row for row in page if row.received_at >= since]
        count += sum(row.readmitted_at is None for row in lately)
        if not page or len(lately) < len(page):
            break
        before = page[-1].id
    return count


def _disabled(config: Config, running: Sequence[Daemon]) -> Mapping[str, str]:
    """Return destination → why nothing is sent to it: the word of the daemon, which has its own environment."""
    for daemon in running:
        if daemon.alive and "worker" in daemon.roles and daemon.config_version == config.version:
            return daemon.disabled
    return {name: each.disabled for name, each in config.destinations.items() if each.disabled}


def _destinations(
    config: Config, running: Sequence[Daemon], rows: list[DestinationRow], now: float
) -> tuple[DestinationStatus, ...]:
    disabled = _disabled(config, running)
    delivers = any(daemon.alive and "worker" in daemon.roles for daemon in running)
    open_ones = breakers(config.data) if delivers else {}
    stored = {row.name: row for row in rows}
    names = [*config.destinations, *(name for name in stored if name not in config.destinations)]
    standings = (
        replace(
            _destination(name, config, stored.get(name), now), disabled=disabled.get(name), breaker=open_ones.get(name)
        )
        for name in names
    )
    # A name that config.yaml dropped and that is owed nothing is history, not a standing.
    return tuple(one for one in standings if one.type is not None or one.waiting or one.dead)


def _destination(name: str, config: Config, row: DestinationRow | None, now: float) -> DestinationStatus:
    configured = config.destinations.get(name)
    counts = row.counts if row else {}
    # What fell due outside its hours is owed since they began.
    due = config.next_open(name, row.oldest_due_at) if row and row.oldest_due_at is not None else None
    opens_at = config.next_open(name, now)
    return DestinationStatus(
        name=name,
        type=configured.plugin.type if configured else None,
        disabled=None,
        waiting=sum(count for state, count in counts.items() if state < FINISHED),
        held=counts.get(State.HELD, 0),
        dead=counts.get(State.DEAD, 0),
        delivered=counts.get(State.DELIVERED, 0),
        overdue_since=due if due is not None and due < now else None,
        paused_at=row.paused_at if row else None,
        paused_reason=row.paused_reason if row else None,
        opens_at=None if opens_at == now else opens_at,
        closed=opens_at != now,
        drained_at=row.drained_at if row else None,
        drain_reason=row.drain_reason if row else None,
        paused_by_hand=row is not None and row.paused_at is not None and not row.paused_fingerprint,
        retry_reason=row.retry_reason if row else None,
    )


def _disk(config: Config) -> Disk:
    found, wanted = sizes(config.data), config.disk
    return Disk(found.free, found.total, found.store, found.wal, found.ballast, wanted.ballast, wanted.refuse_below)
