"""A worker on a real store and inbox, with a test in the place of supervisor and sender."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from router.commands.file import CommandFile
from router.config import load
from router.inbox import NewEntry
from router.inbox.writer import InboxWriter
from router.intake.files import FileIntake
from router.logs import Log
from router.metrics import Metrics
from router.reload.link import Link, Message
from router.sender import Job, Outcome
from router.sender.frames import Decoder, encode
from router.store import DeliveryRow, Filter
from router.store.sqlite.reading import SqliteReading
from router.store.sqlite.store import SqliteStore
from router.worker.loop import Worker

CONFIG = """
sources: {wavix: {}}
destinations:
  crm: {type: http, url: "https://crm.example", expire: 1h, retry: {first: 1s, give_up_after: 1h}}
always: [crm]
unmatched: drop
alerts: none
rules: []
"""
#: When the daemon of which the worker is a part was started.
DAEMON = 1_700_000_000.25
CALL = "5dccb6b0-f35c-488c-867b-86fb012c4415"


class Bench:
    """One worker with one connected sender: this test."""

    def __init__(self, folder: Path, config: str = CONFIG, *, senders: int = 1) -> None:
        self.folder = folder
        (folder / "config.yaml").write_text(config)
        self.config = load(folder / "config.yaml")
        self.data = self.config.data
        self.store = SqliteStore.open(self.data)
        with self.store.transaction():
            self.store.know(self.config.destinations, {})
        self.supervisor, control = socket.socketpair()
        self.link, self._theirs = Link.pair()
        self.descriptor = os.open(os.devnull, os.O_WRONLY)
        self.worker = Worker(
            self.config,
            self.store,
            FileIntake(self.store, self.data / "inbox"),
            CommandFile(self.data),
            log=Log("worker", descriptor=self.descriptor),
            metrics=Metrics(self.data / "metrics" / "test"),
            control=control,
            reload=self._theirs,
            senders=senders,
            store_pause=0.0,
            daemon=DAEMON,
        )
        self._control = control
        self.connect()

    def connect(self, begun: int | None = None) -> None:
        """Give the worker a sender, with the memory behind *begun*, which is closed, in place of the one it has."""
        self.sender, theirs = socket.socketpair()
        self.sender.settimeout(5)
        descriptors = [theirs.fileno()] if begun is None else [theirs.fileno(), begun]
        socket.send_fds(self.supervisor, [b"\0"], descriptors)
        theirs.close()
        if begun is not None:
            os.close(begun)
        self._decoder = Decoder(Job)

    def accept(
        self, received_at: float | None = None, event_type: str = "ringing", *, calls: Sequence[str] = (CALL,)
    ) -> None:
        """Put one event of each of *calls* into the inbox."""

        async def append() -> None:
            inbox = InboxWriter(self.data / "inbox")
            for call in calls:
                said = {"uuid": call, "event_type": event_type, "event_time": "2026-11-23T09:00:00Z"}
                await inbox.append(
                    NewEntry("wavix", json.dumps(said).encode(), received_at or time.time(), "127.0.0.1")
                )
            inbox.close()

        asyncio.run(append())

    def turn(self) -> None:
        self.worker.gather(0)
        self.worker.turn()

    def jobs(self) -> list[Job]:
        return self._decoder.feed(self.sender.recv(1 << 20))

    def hears(self) -> bool:
        return bool(select.select([self.sender], [], [], 0)[0])

    def answer(
        self,
        job: Job,
        kind: str = "delivered",
        reason: str | None = None,
        *,
        status: int | None = None,
        unfilled: bool = False,
    ) -> None:
        now = time.time()
        outcome = Outcome(
            job.delivery_id, job.attempt, kind, reason, status, started_at=now, ended_at=now, unfilled=unfilled
        )
        self.sender.sendall(encode([outcome]))

    def move(self, text: str) -> Message:
        """Lead the worker to the configuration *text*, as the supervisor does, and return its last word."""
        (self.folder / "config.yaml").write_text(text)
        number = time.time_ns()
        said = None
        for message in (
            Message("prepare", number, snapshot=load(self.folder / "config.yaml").snapshot),
            Message("commit", number),
        ):
            self.link.send(message)
            self.worker.gather(0)
            said = self.link.receive()
        assert said is not None
        return said

    def everybody_moved(self) -> None:
        self.link.send(Message("done"))
        self.worker.gather(0)

    def delivery(self) -> DeliveryRow:
        return self.deliveries(1)[0]

    def deliveries(self, limit: int = 1000) -> list[DeliveryRow]:
        """Return all, newest first."""
        reading = SqliteReading.open(self.data)
        try:
            return reading.deliveries(Filter(), limit)
        finally:
            reading.close()

    def close(self) -> None:
        for end in (self.supervisor, self.sender, self._control, self.link, self._theirs):
            end.close()
        self.worker.close()
        self.store.close()
        os.close(self.descriptor)
