"""Memory of all processes together: idle, and in front of a mountain of deliveries that a destination refuses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from router import event
from router.calls import Call, CallState
from router.store import NewDelivery, NewEvent
from router.store.sqlite.store import SqliteStore
from tests.bench import setting
from tests.bench.report import Report, tell
from tests.harness import processes
from tests.harness.daemon import Daemon
from tests.harness.events import EVENTS, OpenCall, TimeText
from tests.harness.load import Load
from tests.harness.processes import Memory
from tests.harness.receiver import Receiver
from tests.harness.waiting import pause, until

IDLE_AIM, WAITING_AIM = 150, 250
WAITING = 1_000_000
WATCH_SECONDS = 30
_AT_ONCE = 5000
_MIB = 2**20


def measure(folder: Path) -> Report:
    """The same daemon twice: on an empty folder, and on one whose store was filled beforehand."""
    rows = []
    with Receiver() as receiver:
        with setting.daemon(folder / "idle", receiver.url) as daemon:
            rows.append(_row("just started", _watch(daemon, 5), IDLE_AIM, daemon))
            with Load(daemon.url()) as load:
                load.start("open", rate=500, count=5000)
                load.wait(60)
            until(lambda: receiver.report()["different"] == 5000, 60, what="every event has arrived", every=0.1)
            pause(2)
            rows.append(_row("idle after 5,000 events", _watch(daemon, 5), IDLE_AIM, daemon))
        receiver.behave(status=503)
        waiting = setting.daemon(folder / "waiting", receiver.url)
        fill(waiting.data, WAITING)
        begin = time.monotonic()
        with waiting as daemon:
            ready = time.monotonic() - begin
            rows.append(_row(f"{WAITING:,} waiting", _watch(daemon, WATCH_SECONDS), WAITING_AIM, daemon))
            refused = receiver.report()["refused"]
    size = sum(path.stat().st_size for path in waiting.data.rglob("*.sqlite")) / _MIB
    notes = [
        f"With {WAITING:,} deliveries waiting the daemon was ready after {ready:.1f} s; its store has {size:,.0f} MiB.",
        f"Its destination answered 503 to {refused:,} attempts meanwhile.",
        "PSS counts a page that n processes share as 1/n in each: it is what ending the daemon would free. RSS counts "
        "it n times.",
    ]
    how = (
        "Sum over all processes, the highest of one look a second. The waiting deliveries belong to "
        f"{WAITING // EVENTS:,} calls of {EVENTS} events, in order per call, all due, written through the store itself "
        "before the start."
    )
    header = ("", "PSS MiB", "RSS MiB", "aim MiB", "PSS by role")
    return Report("Memory", how, header, rows, notes)


def _watch(daemon: Daemon, seconds: int) -> Memory:
    """The greatest memory seen, one look a second."""
    greatest = Memory(0, 0)
    for _ in range(seconds):
        pause(1)
        now = processes.memory(daemon.all_pids())
        greatest = Memory(max(greatest.pss, now.pss), max(greatest.rss, now.rss))
    return greatest


def _row(label: str, seen: Memory, aim: int, daemon: Daemon) -> tuple[str, ...]:
    by_role: dict[str, float] = {}
    for pid, name in setting.named_pids(daemon).items():
        by_role[name] = by_role.get(name, 0.0) + processes.memory([pid]).pss / _MIB
    tell(f"{label}: {seen.pss / _MIB:.0f} MiB")
    parts = ", ".join(f"{name} {size:.0f}" for name, size in sorted(by_role.items()))
    return label, f"{seen.pss / _MIB:.0f}", f"{seen.rss / _MIB:.0f}", f"under {aim}", parts


def fill(data: Path, deliveries: int) -> None:
    """Write events with one waiting delivery each, as the worker would have."""
    store = SqliteStore.open(data)
    try:
        with store.transaction():
            store.know(["out"], {})
        events = waiting_events(deliveries // EVENTS)
        for done in range(0, deliveries, _AT_ONCE):
            with store.transaction():
                for _, new in zip(range(_AT_ONCE), events, strict=False):
                    # Over and told, so that the worker finds deliveries to make and nothing else.
                    if new.event_type == "call_setup":
                        store.keep_call(_ended(new))
                    store.add_event(new, [NewDelivery("out", "all-inbound", ordered=True)], now=new.received_at)
            if done % 100_000 == 0:
                tell(f"{done:,} deliveries written")
    finally:
        store.close()


def _ended(new: NewEvent) -> Call:
    return Call(
        new.source,
        new.call_id,
        CallState.ENDED,
        "inbound",
        answered=True,
        outcome="answered",
        last_received_at=new.received_at,
        ends_told=1,
        told_outcome="answered",
    )


def waiting_events(calls: int, first: int = 0) -> Iterator[NewEvent]:
    """Yield the events of so many calls, numbered from *first*, as the worker keeps them."""
    clock = TimeText()
    for number in range(first, first + calls):
        call = OpenCall(number, 1, clock.now())
        while not call.over:
            received_at = time.time()
            body = call.write(clock.now(), int(received_at * 1e6))
            known = event.read(body, "wavix", received_at)
            yield NewEvent(
                key=known.key, source="wavix", call_id=known.call_id, event_type=known.event_type,
                event_time=known.event_time, received_at=received_at, body=body, facts={}, late=False,
                config_version="benchmark", rules=["all-inbound"], unmatched=False,
            )  # fmt: skip
