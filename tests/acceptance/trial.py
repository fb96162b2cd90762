"""One daemon with receivers, load and a ledger, and the finding when it is over."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.harness import processes
from tests.harness.daemon import LISTEN, ROUTER, Daemon
from tests.harness.fates import Fates, stranded
from tests.harness.load import Load
from tests.harness.receiver import Receiver
from tests.harness.verdict import Arrival, Ledger, judge, sound, unfinished
from tests.harness.waiting import until

#: callrouter, with what ``BREAKAGE`` and ``LEASE`` in its environment ask for.
PROGRAM = (sys.executable, "-m", "tests.acceptance.program", "callrouter")
CONCURRENCY = 8
KEYS = f"order: call, concurrency: {CONCURRENCY}, retry: {{first: 50ms, factor: 1, max: 200ms}}"
#: What one kill can leave unknown at one destination: attempts in all senders, and what waits its turn with them.
IN_HAND = CONCURRENCY + 4 * CONCURRENCY


@dataclass
class Finding:
    """What a trial did and found. ``faults`` is empty when every promise was kept; each begins with its letter."""

    faults: list[str] = field(default_factory=list)
    kills: int = 0
    #: Everything else that was done to the daemon, its disk, its clock and its destinations.
    injected: int = 0
    accepted: int = 0
    lost: int = 0
    duplicates: int = 0
    unordered: int = 0
    note: str = ""

    @property
    def letters(self) -> set[str]:
        """The letters of the promises that were broken."""
        return {fault[0] for fault in self.faults}


#: Takes down what was done and found.
Tell = Callable[[str, Finding], None]
#: Takes down that a breakage was found as a breach of the promise with this letter.
Caught = Callable[[str, str, Finding], None]
#: Where the long form of these tests (tests/soak.py) stands in pytest's configuration.
SOAK: pytest.StashKey[Any] = pytest.StashKey()


class Trial:
    """Receivers for some destinations and a daemon that sends every event to each of them.

    *keys* are the destinations, with what they have beside the usual ``KEYS``.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        *names: str,
        keys: Mapping[str, str] | None = None,
        broken: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.seed, self.dice, self.folder = seed, random.Random(seed), folder
        self.killed: Counter[str] = Counter()
        self._stack = ExitStack()
        self._keys = keys or {}
        with ThreadPoolExecutor(8) as pool:
            made = pool.map(lambda _: Receiver(log=True), names)
            self.receivers = {name: self._stack.enter_context(one) for name, one in zip(names, made, strict=True)}
        extra = {**({"BREAKAGE": broken} if broken else {}), **(environment or {})}
        program = PROGRAM if extra.keys() & {"BREAKAGE", "LEASE"} else ROUTER
        self.daemon = Daemon(folder, self._config(), environment=extra, program=program)
        self._stack.callback(self.daemon.end)
        self.ledger = folder / "ledger"
        self.ledger.touch()

    def _config(self) -> str:
        destinations = "".join(
            f'  {name}: {{type: http, url: "{receiver.url}", {self._keys.get(name, KEYS)}}}\n'
            for name, receiver in self.receivers.items()
        )
        return f"""{LISTEN}
sources:
  wavix: {{}}
destinations:
{destinations}
rules: []
always: [{", ".join(self.receivers)}]
unmatched: drop
alerts: none
"""

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            print(self.daemon.log_tail(), file=sys.stderr)
        self._stack.close()

    def load(self, connections: int = 16, **how: Any) -> Load:
        """A sender that insists on 200 and writes the ledger."""
        how = {"ledger": self.ledger, "insist": True, **how}
        return self._stack.enter_context(Load(self.daemon.url(), connections=connections, **how))

    # What happens to the daemon --------------------------------------------------------------------------

    def kinds(self) -> dict[str, int]:
        """Every process that can be killed alone: what it is → its pid."""
        pids = until(self.daemon.pids, what="the daemon says what runs")
        for child in processes.children(pids.get("ingest", 0)):
            pids["gunicorn's worker"] = child
        return pids

    def kill(self, kind: str) -> None:
        """SIGKILL the processes of this *kind*; the supervisor's end takes all with it, and ``everything`` is all."""
        if kind == "supervisor":
            left = self.daemon.kill_supervisor()
            until(lambda: not any(map(processes.alive, left)), 15, what="every process has ended with the supervisor")
            self.daemon.start()
        elif kind == "everything":
            self.daemon.end()
            self.daemon.start()
        else:
            try:
                os.kill(self.kinds()[kind], 9)
            except (KeyError, ProcessLookupError):
                # It had died by an earlier kill and is not back yet.
                kind = "nobody"
        self.killed[kind] += 1

    # The end ---------------------------------------------------------------------------------------------

    def waiting(self, destination: str = "") -> float:
        """Unfinished deliveries of all destinations or one, as /metrics tells."""
        numbers = self.daemon.metrics().items()
        return sum(n for name, n in numbers if name.startswith("callrouter_waiting{") and f'"{destination}' in name)

    def drained(self, deadline: float = 60.0) -> bool:
        """Wait until every event that was accepted has been routed and has ended; False when that does not come."""
        try:
            until(lambda: self._all_has_come() and self.waiting() == 0, deadline, what="nothing is left", every=0.1)
        except AssertionError as ex:
            print(ex, file=sys.stderr)
            return False
        return True

    def _all_has_come(self) -> bool:
        accepted = len(Ledger.read(self.ledger).acknowledged)
        return all(receiver.report()["different"] >= accepted for receiver in self.receivers.values())

    def stop(self) -> None:
        """End the daemon in order."""
        self.daemon.stop()

    def logs(self) -> dict[str, list[Arrival]]:
        """What has arrived so far, by destination."""
        return {name: receiver.log() for name, receiver in self.receivers.items()}

    def judge(self, *, orderly: bool = True, logs: Mapping[str, list[Arrival]] | None = None) -> Finding:
        """Judge by A to E what arrived everywhere, or what stands in *logs*, C if *orderly*. The daemon has ended."""
        ledger = Ledger.read(self.ledger)
        finding = Finding(kills=self.killed.total() - self.killed["nobody"], accepted=len(ledger.acknowledged))
        for name, log in (logs or self.logs()).items():
            fates = Fates.read(self.daemon.data, name)
            verdict = judge(ledger, log, dead=fates.dead, unknown=fates.unknown)
            faults = verdict.faults + unfinished(fates.unfinished)
            finding.faults += [f"{fault} ({name})" for fault in faults if orderly or not fault.startswith("C")]
            finding.lost += verdict.lost
            finding.duplicates += verdict.duplicates
            finding.unordered += verdict.unordered if orderly else 0
        finding.faults += sound(self.daemon.data)
        if left := stranded(self.daemon.data):
            finding.faults.append(f"E: {left} deliveries wait behind nothing")
        return finding
