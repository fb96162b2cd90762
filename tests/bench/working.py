"""A real worker on a shared store, with a sender that says at once that it has sent: what an event costs, and asks."""

from __future__ import annotations

import gc
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from router import engine
from router.config import load
from router.inbox import NewEntry
from router.intake.shelf import Watchdog, ingest_session, put
from router.location import PostgresAt
from router.logs import Log
from router.metrics import Metrics
from router.reload.link import Link
from router.store.postgres.store import PostgresStore
from router.worker.loop import Worker
from tests.bench.steps import send_at_once
from tests.harness.events import EVENTS, OpenCall, TimeText

_TAG = b"marketing-campaign, load"
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Cost:
    """What one event costs from the inbox until its delivery is recorded."""

    microseconds: float
    statements: float


def configuration(url: str, destinations: int, rules: int) -> str:
    """So many *rules*, one for each tag; they lead to so many *destinations* in turns."""
    places = "".join(
        f'  out-{n}: {{type: http, url: "http://127.0.0.1:9/", order: call}}\n' for n in range(destinations)
    )
    kinds = "[call_setup, ringing, answered, on_call_event, completed]"
    tagged = "".join(
        f"  - {{name: rule-{n}, when: {{tag: team-{n}, event_type: {kinds}}}, send: [out-{n % destinations}]}}\n"
        for n in range(rules)
    )
    return (
        f"store: {url}\nnode: n1\nsources: {{wavix: {{}}}}\ndestinations:\n{places}rules:\n{tagged}"
        "unmatched: drop\nalerts: none\n"
    )


class Working:
    """One worker, alone on its database."""

    def __init__(self, folder: Path, url: str, *, destinations: int = 1, rules: int = 10) -> None:
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(configuration(url, destinations, rules))
        config = load(folder / "config.yaml")
        assert isinstance(config.store, PostgresAt)
        config.data.mkdir(exist_ok=True)
        store = engine.open_store(config)
        assert isinstance(store, PostgresStore)
        self.store, self._rules = store, rules
        engine.prepare(config, store, delivers=True)
        store.know(config.destinations, {})
        supervisor, control = socket.socketpair()
        self._link, theirs = Link.pair()
        self._descriptor = os.open(os.devnull, os.O_WRONLY)
        self.worker = Worker(
            config, store, engine.intake(config, store), engine.open_commands(config, store),
            log=Log("worker", descriptor=self._descriptor), metrics=Metrics(folder / "metrics"), control=control,
            reload=theirs, senders=1,
        )  # fmt: skip
        mine, sender = socket.socketpair()
        socket.send_fds(supervisor, [b"\0"], [sender.fileno()])
        sender.close()
        self._child = send_at_once(mine)
        self._ends = (supervisor, control, mine, self._link, theirs)
        self._inbox, self._watchdog = ingest_session(config.store, "n1"), Watchdog()
        self._calls = 0

    def put(self, events: int) -> None:
        """Put so many events into the inbox, five to a call, or as many as are missing."""
        clock, entries = TimeText(), list[NewEntry]()
        while len(entries) < events:
            call, tag = OpenCall(self._calls, 1, clock.now()), b"team-%d" % (self._calls % self._rules)
            self._calls += 1
            for _ in range(min(EVENTS, events - len(entries))):
                body = call.write(clock.now(), 0).replace(_TAG, tag)
                entries.append(NewEntry("wavix", body, time.time(), "127.0.0.1", call_id=f"call-{self._calls}"))
        for begin in range(0, events, _AT_ONCE):
            put(self._inbox, entries[begin : begin + _AT_ONCE], self._watchdog)

    def work(self) -> None:
        """Take turns until nothing is left, as ``Worker.run`` does."""
        worker = self.worker
        while True:
            worker.gather(0.002)
            if not worker.turn() and not worker.senders.total:
                return

    def cost(self, events: int, *, times: int = 1) -> Cost:
        """Put *events* in and work them off, so many times; return what each event has cost."""
        spent, statements = 0.0, 0
        gc.collect()
        for _ in range(times):
            self.put(events)
            began, before = time.perf_counter(), self.store.session.statements
            self.work()
            spent += time.perf_counter() - began
            statements += self.store.session.statements - before
        return Cost(1e6 * spent / (events * times), statements / (events * times))

    def close(self) -> None:
        """End the sender and let go of everything."""
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        self.worker.close()
        for end in self._ends:
            end.close()
        self._watchdog.close()
        self._inbox.close()
        self.store.close()
        os.close(self._descriptor)
