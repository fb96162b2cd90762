"""What is known of a callrouter at one moment: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the daemon. ``state`` is the supervisor's word for it; ``alive`` was checked just now."""

    name: str
    pid: int | None
    started_at: float | None
    restarts: int
    state: str
    last_exit: str | None
    alive: bool


@dataclass(frozen=True, slots=True)
class Daemon:
    """What a supervisor wrote about itself, and whether it still lives."""

    #: Which parts of callrouter it runs: ``ingest``, ``worker`` or both.
    roles: tuple[str, ...]
    pid: int
    started_at: float
    config: str
    config_version: str
    listen: str | None
    admin: str | None
    processes: tuple[Process, ...]
    alive: bool
    #: Destination → why nothing is sent to it.
    disabled: Mapping[str, str] = field(default_factory=dict)
    #: Keys of its configuration whose values take effect at its next start.
    restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """A breaker that keeps deliveries back. ``state`` is ``open``, or ``half-open`` while one delivery tries."""

    state: str
    open_since: float
    next_try_at: float
    #: How the last attempt failed.
    reason: str


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """Where one destination stands. ``type`` is None when config.yaml no longer names it."""

    name: str
    type: str | None
    disabled: str | None
    #: Deliveries that have not ended; ``held`` of them wait behind a dead letter of their call.
    waiting: int
    held: int
    dead: int
    delivered: int
    #: The due time of its longest overdue delivery; None when nothing is overdue.
    overdue_since: float | None
    paused_at: float | None
    paused_reason: str | None
    #: None while it is closed.
    breaker: BreakerStatus | None = None
    #: When its hours begin again; None while they hold, and where they do not for years.
    opens_at: float | None = None
    #: Whether it is outside its hours.
    closed: bool = False
    #: Since when, and why, it takes nothing new; None while it does.
    drained_at: float | None = None
    drain_reason: str | None = None
    #: Whether an operator paused it, and not its own answer.
    paused_by_hand: bool = False
    #: How the delivery that is tried again next has failed; None where none waits for that.
    retry_reason: str | None = None


@dataclass(frozen=True, slots=True)
class InboxStatus:
    """What was accepted and has not been routed. ``oldest_at`` is when the first such event was received."""

    segments: int
    bytes: int
    unrouted: int
    oldest_at: float | None


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that holds the data, in bytes, and what the data takes of it."""

    free: int
    total: int
    store: int = 0
    #: The write-ahead log of the store.
    wal: int = 0
    ballast: int = 0
    #: What the configuration wants: the size of the ballast, and the room below which events are refused.
    wanted_ballast: int = 0
    refuse_below: int = 0


@dataclass(frozen=True, slots=True)
class AlertStatus:
    """One alert, and what became of it: destination → the state of its delivery."""

    made_at: float
    sentence: str
    told: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is not as it should be: what, what to do about it, and the exact command for that.

    ``level`` is ``broken`` (events are refused or nothing is sent), ``attention`` (a person must look) or ``note``.
    """

    level: str
    what: str
    todo: str
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was looked at ``now``, before it is judged."""

    now: float
    config: Path
    config_version: str
    data: Path
    #: Those that live; where none does, the last one that was killed, if any.
    daemons: tuple[Daemon, ...]
    #: False when no daemon has ever run on this data.
    ever_ran: bool
    #: When the worker last said that it moves.
    worker_beat_at: float | None
    #: When the newest event of each source was received. Like all that is in the store, not known without it.
    sources: dict[str, float | None]
    #: None at all while the store cannot be read: nobody knows what waits for them.
    destinations: tuple[DestinationStatus, ...]
    #: Refused events of the last day that were not re-admitted.
    refused_lately: int
    inbox: InboxStatus
    disk: Disk
    #: Recorded commands that the worker has not carried out.
    commands_waiting: int
    #: When the oldest event that is kept was received.
    oldest_event_at: float | None
    #: Why the store could not be read; None when it could.
    store_error: str | None
    #: Whether that is because its file is damaged.
    store_damaged: bool = False
    #: The store is a database, and not a file of this machine.
    shared: bool = False
    #: The last ones, newest first.
    alerts: tuple[AlertStatus, ...] = ()
    #: Destination → why it is not told of alerts; None where it is.
    alerts_to: Mapping[str, str | None] = field(default_factory=dict)
    #: Silences that have not ended, and when the last of them ends.
    silences: int = 0
    silences_end_at: float | None = None

    @property
    def receiving(self) -> bool:
        """Whether a daemon takes call events in."""
        return any(daemon.alive and "ingest" in daemon.roles for daemon in self.daemons)

    @property
    def delivering(self) -> bool:
        """Whether a daemon routes and delivers."""
        return any(daemon.alive and "worker" in daemon.roles for daemon in self.daemons)


@dataclass(frozen=True, slots=True)
class Status:
    """The findings, and what is wrong with them: the worst first."""

    found: Findings
    troubles: tuple[Trouble, ...]

    @property
    def well(self) -> bool:
        """Whether nobody needs to get up."""
        return all(trouble.level == "note" for trouble in self.troubles)
