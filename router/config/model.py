"""A configuration that has been proved: everything the processes need, nothing still to be checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from router.authentication import Authentication
from router.config.files import Snapshot
from router.deciding import Decider
from router.errors import Problem
from router.event import CallEvent
from router.hours import Hours
from router.location import StoreAt
from router.plugin import Plugin, Settings
from router.retry import BreakerPolicy, RetryPolicy
from router.routes import Routes
from router.secret import Secret
from router.units import Rate

Network = IPv4Network | IPv6Network

#: ``Destination.disabled`` of one that its configuration switches off, wherever it runs.
SWITCHED_OFF = "enabled: false"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 lets the operating system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Source:
    """Who may tell us of calls at ``/webhooks/{name}``, and how strictly its events are read."""

    name: str
    #: Checks that must all pass; empty means ``auth: none`` or a loopback listener.
    authentication: tuple[Authentication, ...]
    validation: Literal["documented", "lenient", "strict"] = "documented"
    #: Event types beyond the documented ones that this source may send.
    accept_types: frozenset[str] = frozenset()
    #: ``accept`` answers 200 to an invalid event (it is quarantined all the same).
    invalid: Literal["refuse", "accept"] = "refuse"


@dataclass(frozen=True, slots=True)
class Destination:
    """A configured plugin, with the keys every destination has."""

    name: str
    plugin: type[Plugin[Settings]]
    settings: Settings
    #: A digest of all its settings (secrets included, not recoverable): a pause ends when it changes.
    fingerprint: str
    #: Why nothing is sent to it (``enabled: false``, or ``optional`` with its variable unset); None when it is on.
    disabled: str | None
    retry: RetryPolicy
    order: Literal["call", "none"]
    after_dead_letter: Literal["continue", "hold"] = "continue"
    unknown: Literal["retry", "hold"] = "retry"
    #: Status → what it means here: done, again, dead or pause. Any other means what it means everywhere.
    answers: Mapping[int, str] = field(default_factory=dict)
    #: When to leave it alone for a while; None: never.
    breaker: BreakerPolicy | None = field(default_factory=BreakerPolicy)
    #: The name of the hours within which it is told; None: at any hour.
    open: str | None = None
    concurrency: int = 32
    rate: Rate | None = None
    #: Seconds for one whole attempt: connect, TLS, headers and body.
    timeout: float = 30.0
    #: Seconds after acceptance when the news is too old to be sent; None: never.
    expire: float | None = None
    #: False refuses loopback and private addresses; link-local and metadata addresses are refused always.
    allow_private: bool = True
    ca: Path | None = None
    #: The files of the client certificate and of its key.
    certificate: tuple[Path, Path] | None = None
    proxy: Secret | None = None
    #: True keeps the destination's answer to what it accepted as well.
    keep_answers: bool = False
    formerly: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Alerts:
    """Who is told that callrouter itself needs somebody, how often, and from when on."""

    #: Nobody, where empty.
    to: tuple[str, ...] = ()
    #: Seconds between two alerts about one thing that goes on.
    every: float = 3600.0
    #: Seconds that a delivery or an accepted event may wait.
    backlog: float = 900.0
    #: The share of the disk that must be free.
    disk: float = 0.1


@dataclass(frozen=True, slots=True)
class ConfigTest:
    """One of a configuration's own tests: what is received, and who must hear of it."""

    name: str
    #: Where it stands.
    file: str
    line: int
    column: int
    #: In the order in which they are received.
    events: tuple[CallEvent, ...]
    #: Destination → how many deliveries, None for at least one. No other destination may hear of anything.
    expect: Mapping[str, int | None]
    #: Destination → template setting (None for any) → what it must say in one of the deliveries.
    rendered: Mapping[str, Mapping[str | None, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retention:
    """Seconds for which what has ended is kept; None: for ever."""

    #: Events with their deliveries and attempts, counted from the last thing that happened to one.
    events: float | None = 30 * 86400.0
    #: The same of an event that has a dead letter.
    dead_letters: float | None = 90 * 86400.0
    quarantine: float | None = 90 * 86400.0
    receipts: float | None = 400 * 86400.0
    #: Recorded commands that were carried out.
    commands: float | None = 400 * 86400.0


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """Bytes of the disk that holds the data; 0: none."""

    #: Kept free by a file that is deleted when the disk is full.
    ballast: int = 16 << 20
    #: With less than this free, events are refused.
    refuse_below: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Config:
    """One config.yaml, checked and resolved.

    ``version`` is recorded with each event: a digest of every file it was read from, those with secrets excepted.
    """

    path: Path
    version: str
    listen: Address
    admin: Address
    #: Where events and deliveries are kept.
    store: StoreAt
    #: This machine's own folder: everything else that must survive, and the store as well where that is on SQLite.
    data: Path
    timezone: tzinfo
    #: ISO country for numbers without a country code; None: such numbers are not understood as numbers.
    region: str | None
    own_numbers: frozenset[str]
    trusted_proxies: tuple[Network, ...]
    sources: Mapping[str, Source]
    destinations: Mapping[str, Destination]
    routes: Routes
    #: By the names that rules and destinations use.
    hours: Mapping[str, Hours] = field(default_factory=dict)
    #: Seconds after the first terminal event of an unanswered call before it is called over.
    settle: float = 5.0
    #: Seconds of silence after which an open call ends with outcome unknown.
    stale_after: float = 14400.0
    #: What this machine is called among those that share the store; None: it shares it with nobody.
    node: str | None = None
    #: True keeps events on this machine while the shared store is away.
    spool: bool = False
    alerts: Alerts = field(default_factory=Alerts)
    retention: Retention = field(default_factory=Retention)
    disk: DiskLimits = field(default_factory=DiskLimits)
    #: Run by ``callrouter check``, never by a daemon.
    tests: tuple[ConfigTest, ...] = ()
    #: Why parts of it are missing, where it was loaded only to look; never in a daemon.
    unset: tuple[str, ...] = ()
    #: Doubts that did not stop the configuration from loading.
    warnings: tuple[Problem, ...] = ()
    #: What it was read from.
    snapshot: Snapshot = field(default_factory=Snapshot, repr=False, compare=False)
    #: All of the above that decides who hears of an event.
    decider: Decider = field(init=False, repr=False, compare=False)
    #: (rule, destination) → the destination's settings with the rule's own texts.
    _overrides: Mapping[tuple[str, str], Settings] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        decider = Decider(self.routes, self.timezone, self.region, self.own_numbers, self.settle, self.hours)
        object.__setattr__(self, "decider", decider)
        overrides = {(rule.name, to): own for rule in self.routes.rules for to, own in rule.overrides.items()}
        object.__setattr__(self, "_overrides", overrides)

    def settings(self, destination: str, rule: str | None) -> Settings:
        """Return the settings with which *destination* hears of what *rule* sends it (None: what no rule does)."""
        own = self._overrides.get((rule, destination)) if rule is not None else None
        return own or self.destinations[destination].settings

    def next_open(self, destination: str, moment: float) -> float | None:
        """Return the first moment from *moment* on at which *destination* is open: itself if it is; None: not in years.

        One without hours, or that is not known, is always open.
        """
        one = self.destinations.get(destination)
        return moment if one is None or one.open is None else self.hours[one.open].next_opening(moment)
