"""The store in front of a mountain: a million deliveries due, and a hundred thousand behind one blocked call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from statistics import median

from router.store import Attempt, NewDelivery, NewEvent, State
from router.store.sqlite.store import SqliteStore
from tests.bench.memory import fill, waiting_events
from tests.bench.report import Report, spread, tell

ROUNDS, TURNS, AT_ONCE = 5, 40, 100
WAITING, BEHIND = 1_000_000, 100_000
_LEASE = 120.0


@dataclass
class Scene:
    """One store, and what it has been seen to do: deliveries a second by round, seconds of every claim."""

    name: str
    store: SqliteStore
    news: Iterator[NewEvent]
    rates: list[float] = field(default_factory=list)
    claims: list[float] = field(default_factory=list)

    def round(self) -> None:
        """Take turns of the worker: so many events come in, as many deliveries are claimed and recorded."""
        spent = 0.0
        for _ in range(TURNS):
            events = list(islice(self.news, AT_ONCE))
            begin = time.perf_counter()
            with self.store.transaction():
                for event in events:
                    self.store.add_event(event, [NewDelivery("out", "all-inbound", ordered=True)], now=time.time())
            with self.store.transaction():
                self._deliver()
            spent += time.perf_counter() - begin
        self.rates.append(TURNS * AT_ONCE / spent)

    def _deliver(self) -> None:
        now, begin = time.time(), time.perf_counter()
        claims = self.store.claim("out", now=now, owner="bench", lease_until=now + _LEASE, limit=AT_ONCE)
        self.claims.append(time.perf_counter() - begin)
        for one in claims:
            attempt = Attempt(one.delivery_id, one.attempt, "bench", State.DELIVERED, "delivered", None, 200, now, now)
            self.store.record(attempt)


def measure(folder: Path) -> Report:
    """Three stores side by side, in turns: nothing waiting, a million due, a hundred thousand behind one call."""
    for name in ("empty", "waiting", "behind"):
        (folder / name).mkdir()
    fill(folder / "waiting", WAITING)
    scenes = [
        _scene("nothing waiting", folder / "empty", 0),
        _scene(f"{WAITING:,} due", folder / "waiting", 10_000_000),
        _scene(f"{BEHIND:,} behind one call", folder / "behind", 20_000_000),
    ]
    _block(scenes[2].store)
    for number in range(ROUNDS):
        for scene in scenes:
            scene.round()
        tell(f"round {number + 1} of {ROUNDS}")
    rows = [_row(scene, scenes[0]) for scene in scenes]
    for scene in scenes:
        scene.store.close()
    how = (
        f"One worker's store without a worker: a turn takes in {AT_ONCE} events with one delivery each and claims and "
        f"records as many, in two transactions on disk. {ROUNDS} rounds of {TURNS} turns, the stores in turns. "
        "Median (least–greatest)."
    )
    rows.append(("aim", "", "0.7, behind 0.8 or more", "under 50"))
    return Report("Backlog", how, ("", "deliveries/s", "of the empty store", "claim p99 ms"), rows)


def _scene(name: str, data: Path, first: int) -> Scene:
    store = SqliteStore.open(data)
    with store.transaction():
        store.know(["out"], {})
    return Scene(name, store, waiting_events(1_000_000, first))


def _block(store: SqliteStore) -> None:
    """Leave one delivery of a call under way for ever, and all others of that call behind it."""
    [like] = islice(waiting_events(1, 30_000_000), 1)
    for begin in range(0, BEHIND, 5000):
        with store.transaction():
            for number in range(begin, begin + 5000):
                event = replace(like, key=b"blocked" + number.to_bytes(17, "big"))
                store.add_event(event, [NewDelivery("out", "all-inbound", ordered=True)], now=time.time())
    with store.transaction():
        assert len(store.claim("out", now=time.time(), owner="gone", lease_until=1e12, limit=10)) == 1


def _row(scene: Scene, empty: Scene) -> tuple[str, ...]:
    ratios = [mine / theirs for mine, theirs in zip(scene.rates, empty.rates, strict=True)]
    claims = sorted(scene.claims)
    p99 = claims[int(len(claims) * 0.99)] * 1000
    return scene.name, spread(scene.rates), f"{median(ratios):.2f}", f"{p99:.1f}"
