"""What Prometheus may ask: counters and histograms shared by all processes of a daemon.

prometheus-client keeps them in memory-mapped files, one per process, so that a process that crashed leaves its counts
behind; the admin listener adds them up. Everything that can be asked of the store is asked at the scrape instead.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from router import clock
from router.disk import Sizes
from router.store import Reading, State

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


class InUse(NamedTuple):
    """What one daemon says of its configuration: the version it uses, and whether its last reload was applied."""

    version: str
    last_reload_ok: bool


def _at_any_hour(destination: str, moment: float) -> float | None:  # noqa: ARG001 - stands in for Config.next_open
    return moment


class Policy(NamedTuple):
    """What keeps deliveries back that are due: breakers (destination → ``open`` or ``half-open``), and hours."""

    breakers: Mapping[str, str] = MappingProxyType({})
    #: The first moment from another on at which a destination is open.
    next_open: Callable[[str, float], float | None] = _at_any_hour


#: States of a breaker as a gauge has them.
_BREAKERS = {"open": 1.0, "half-open": 0.5}


class Metrics:
    """Every counter and histogram of the daemon. Make it once, before any process is forked."""

    def __init__(self, folder: Path) -> None:
        """Start from nought in *folder*; the other roles on the same data have folders beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.db"):
            old.unlink()
        self._folder = folder
        # prometheus-client looks at this variable once, when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        import prometheus_client  # noqa: PLC0415 - see above

        registry = prometheus_client.CollectorRegistry()

        def counter(name: str, help: str, *labels: str) -> Any:
            return prometheus_client.Counter(f"callrouter_{name}", help, labels, registry=registry)

        def histogram(name: str, help: str, buckets: Iterable[float], *labels: str) -> Any:
            return prometheus_client.Histogram(
                f"callrouter_{name}", help, labels, registry=registry, buckets=tuple(buckets)
            )

        self._accepted = counter("events_accepted", "Events answered with 200 and on disk.", "source")
        self._rejected = counter("requests_rejected", "Requests not accepted, by reason.", "source", "why")
        self._accept_seconds = histogram("accept_seconds", "From request to answer.", _FAST)
        self._routed = counter("events_routed", "Events routed.", "source")
        self._duplicates = counter("events_duplicate", "Events that were known already.", "source")
        self._unmatched = counter("events_unmatched", "Events that no rule matched.", "source")
        self._quarantined = counter("events_quarantined", "Bodies kept in quarantine.", "source")
        self._route_seconds = histogram("route_seconds", "From acceptance to routed.", _SLOW)
        self._attempts = counter("attempts", "Attempts by how they ended.", "destination", "outcome")
        self._deliveries = counter("deliveries", "Deliveries that ended, by end state.", "destination", "state")
        self._template_failures = counter(
            "template_failures", "Sent in plain words: a template could not be filled in.", "destination"
        )
        self._alerts = counter("alerts", "Alerts, by what they say.", "kind")
        self._attempt_seconds = histogram("attempt_seconds", "How long attempts took.", _SLOW, "destination")
        self._delivery_seconds = histogram("delivery_seconds", "Acceptance to delivered.", _SLOW, "destination")
        # Looking a child up by its labels, and writing it, costs more than counting in a dictionary.
        self._children: dict[tuple[Any, ...], Any] = {}
        self._pending: dict[Any, int] = {}
        self._observed: dict[Any, list[float]] = {}
        self._turns = counter("worker_turns", "Turns of the worker: one transaction each.")
        self._turn_seconds = histogram("worker_turn_seconds", "How long a turn took.", _FAST)
        self._forgotten = counter("forgotten", "Rows that retention has deleted.", "what")
        self._ballast_dropped = counter("ballast_dropped", "Times the ballast was deleted because the disk was full.")
        self._reloads = counter("config_reloads", "Reloads: applied or refused.", "result")
        for result in ("applied", "refused"):
            # An alert needs the nought before the first.
            self._reloads.labels(result)

    # The supervisor --------------------------------------------------------------------------------------

    def reloaded(self, *, applied: bool) -> None:
        """Count one reload."""
        self._reloads.labels("applied" if applied else "refused").inc()

    # The ingest process ----------------------------------------------------------------------------------

    def accepted(self, source: str, seconds: float) -> None:
        """Count one event answered with 200 after *seconds*."""
        self._child(self._accepted, source).inc()
        self._accept_seconds.observe(seconds)

    def rejected(self, source: str, why: str) -> None:
        """Count one request that was not accepted; *why* is one word."""
        self._rejected.labels(source, why).inc()

    # The worker ------------------------------------------------------------------------------------------

    def routed(self, source: str, *, duplicate: bool, unmatched: bool, quarantined: bool, seconds: float) -> None:
        """Count one inbox entry that was routed *seconds* after its acceptance."""
        if quarantined:
            self._count(self._quarantined, source)
        elif duplicate:
            self._count(self._duplicates, source)
        else:
            self._count(self._routed, source)
            self._observe(self._route_seconds, seconds)
            if unmatched:
                self._count(self._unmatched, source)

    def alerted(self, kind: str) -> None:
        """Count one alert."""
        self._alerts.labels(kind).inc()

    def attempted(self, destination: str, outcome: str, seconds: float) -> None:
        """Count one attempt that took *seconds*."""
        self._count(self._attempts, destination, outcome)
        self._observe(self._child(self._attempt_seconds, destination), seconds)

    def ended(self, destination: str, state: State, seconds: float) -> None:
        """Count one delivery that reached an end state *seconds* after acceptance."""
        self._count(self._deliveries, destination, state.word)
        if state is State.DELIVERED:
            self._observe(self._child(self._delivery_seconds, destination), seconds)

    def in_plain_words(self, destination: str) -> None:
        """Count one delivery whose template could not be filled in."""
        self._count(self._template_failures, destination)

    def turned(self, seconds: float) -> None:
        """Count one turn of the worker, and write down what it has counted."""
        self._turns.inc()
        self._turn_seconds.observe(seconds)
        for child, count in self._pending.items():
            child.inc(count)
        self._pending.clear()
        for histogram, values in self._observed.items():
            _observe_all(histogram, values)
        self._observed.clear()

    def forgot(self, what: str, count: int) -> None:
        """Count *count* rows that were old enough to be deleted; *what* is events, calls and the like."""
        self._child(self._forgotten, what).inc(count)

    def ballast_dropped(self) -> None:
        """Count one disk that was full."""
        self._ballast_dropped.inc()

    def keep_room(self) -> None:
        """Take for real the room that this process's files seem to have; raises OSError.

        They are written through memory: where the disk then has no room, the system kills whoever writes.
        """
        for path in self._folder.glob(f"*_{os.getpid()}.db"):
            said = path.stat()
            if said.st_blocks * 512 < said.st_size:
                with path.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, said.st_size)

    def _observe(self, histogram: Any, seconds: float) -> None:
        self._observed.setdefault(histogram, []).append(seconds)

    def _count(self, counter: Any, *labels: str) -> None:
        child = self._child(counter, *labels)
        self._pending[child] = self._pending.get(child, 0) + 1

    def _child(self, parent: Any, *labels: str) -> Any:
        key = (parent, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = parent.labels(*labels)
        return child

    # The admin listener ----------------------------------------------------------------------------------

    def render(
        self,
        reading: Callable[[], Reading | None],
        in_use: Callable[[], Iterable[InUse]],
        sizes: Callable[[], Sizes | None],
        policy: Policy | None = None,
    ) -> bytes:
        """Return the exposition text: the sum over all processes, and what store, disk and daemons say now."""
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - after the variable is set
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - after the variable is set

        registry = CollectorRegistry()
        files = [str(path) for path in self._folder.parent.glob("*/*.db")]
        merge: Any = MultiProcessCollector.merge
        registry.register(_Shared(lambda: merge(files, accumulate=True)))
        registry.register(_StoreGauges(reading, policy))
        registry.register(_ConfigGauges(in_use))
        registry.register(_DiskGauges(sizes))
        return generate_latest(registry)


def _observe_all(histogram: Any, values: Sequence[float]) -> None:
    """Do what ``observe`` does for each of *values*, with one write per bucket: a turn has hundreds of them."""
    counts = Counter(bisect_left(histogram._upper_bounds, value) for value in values)
    for bucket, count in counts.items():
        histogram._buckets[bucket].inc(count)
    histogram._sum.inc(sum(values))


class _Shared:
    """What all processes have counted, of every role that runs on the same data."""

    def __init__(self, merge: Callable[[], Iterable[Any]]) -> None:
        self._merge = merge

    def collect(self) -> Iterable[Any]:
        return self._merge()


class _StoreGauges:
    """Gauges read from the store at each scrape."""

    def __init__(self, reading: Callable[[], Reading | None], policy: Policy | None = None) -> None:
        self._reading, self._policy = reading, policy or Policy()

    def collect(self) -> Iterable[Any]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - after the variable is set

        unfinished = GaugeMetricFamily("callrouter_waiting", "Unfinished deliveries.", labels=["destination"])
        dead = GaugeMetricFamily("callrouter_dead_letters", "Dead letters kept.", labels=["destination"])
        overdue = GaugeMetricFamily(
            "callrouter_oldest_due_seconds", "Age of the oldest due one.", labels=["destination"]
        )
        paused = GaugeMetricFamily("callrouter_paused", "1 while paused.", labels=["destination"])
        breaker = GaugeMetricFamily(
            "callrouter_breaker", "1 while open, 0.5 while one delivery tries.", labels=["destination"]
        )
        last = GaugeMetricFamily("callrouter_last_event_seconds", "Since the newest event.", labels=["source"])
        oldest = GaugeMetricFamily("callrouter_oldest_event_seconds", "Age of the oldest event kept.")
        reading = self._reading()
        if reading is not None:
            now = clock.now()
            try:
                for row in reading.destinations():
                    waiting = sum(count for state, count in row.counts.items() if state < State.DELIVERED)
                    unfinished.add_metric([row.name], waiting)
                    dead.add_metric([row.name], row.counts.get(State.DEAD, 0))
                    due = row.oldest_due_at
                    due = None if due is None else self._policy.next_open(row.name, due)
                    breaker.add_metric([row.name], _BREAKERS.get(self._policy.breakers.get(row.name, ""), 0.0))
                    overdue.add_metric([row.name], max(0.0, now - due) if due is not None else 0.0)
                    paused.add_metric([row.name], float(row.paused_at is not None))
                for source, received_at in reading.last_events().items():
                    last.add_metric([source], now - received_at)
                if (first := reading.oldest_event()) is not None:
                    oldest.add_metric([], max(0.0, now - first))
            finally:
                reading.close()
        return [unfinished, dead, overdue, paused, breaker, last, oldest]


class _ConfigGauges:
    """Gauges of the configurations in use."""

    def __init__(self, in_use: Callable[[], Iterable[InUse]]) -> None:
        self._in_use = in_use

    def collect(self) -> Iterable[Any]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - after the variable is set

        used = list(self._in_use())
        last = GaugeMetricFamily("callrouter_config_last_reload_ok", "0 once the last reload was refused.")
        last.add_metric([], float(all(one.last_reload_ok for one in used)))
        info = GaugeMetricFamily("callrouter_config_info", "1 for the version in use.", labels=["version"])
        for version in sorted({one.version for one in used}):
            info.add_metric([version], 1.0)
        return [last, info]


class _DiskGauges:
    """Gauges of the files under data/ and of their disk."""

    def __init__(self, sizes: Callable[[], Sizes | None]) -> None:
        self._sizes = sizes

    def collect(self) -> Iterable[Any]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 - after the variable is set

        found = self._sizes()
        gauges = []
        for name, text in (
            ("store", "The store, without its write-ahead log."),
            ("wal", "The write-ahead log of the store."),
            ("inbox", "All segments of the inbox."),
            ("ballast", "The ballast; 0 while there is none."),
            ("free", "Free on the disk that holds the data."),
        ):
            gauge = GaugeMetricFamily(f"callrouter_{'disk_free' if name == 'free' else name}_bytes", text)
            if found is not None:
                gauge.add_metric([], getattr(found, name))
            gauges.append(gauge)
        return gauges
