"""Whole daemons: what a destination asks for is kept, whatever the rest of the machine does."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from tests.acceptance.settings import an_event, to_each
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.load import Load
from tests.harness.recording import Received, Recorder, Reply
from tests.harness.waiting import until


class Crowd:
    """Counts how many requests are under way at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self.now = self.most = 0

    def __call__(self, _: Received) -> Reply:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self._seconds)
        with self._lock:
            self.now -= 1
        return Reply()

    def forget(self) -> None:
        with self._lock:
            self.most = self.now


def one(url: str, concurrency: int, name: str = "out", more: str = "") -> str:
    return (
        f"{LISTEN}sources: {{phone: {{}}}}\n"
        f"destinations: {{{name}: {{type: http, url: '{url}', concurrency: {concurrency}, order: none{more}}}}}\n"
        f"always: [{name}]\nunmatched: drop\n"
    )
