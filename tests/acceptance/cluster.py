"""Several nodes on one real PostgreSQL, behind a balancer, and the finding when it is over."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from tests.acceptance.trial import KEYS, PROGRAM, Finding
from tests.harness import processes
from tests.harness.daemon import ROUTER, Daemon
from tests.harness.fates_shared import fates, unsound
from tests.harness.load import Load
from tests.harness.postgres import Server
from tests.harness.proxy import Proxy
from tests.harness.receiver import Receiver
from tests.harness.verdict import Ledger, judge, unfinished
from tests.harness.waiting import until


class Cluster:
    """Receivers for some destinations, a database of its own, and nodes that send every event to each destination."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        server: Server,
        *names: str,
        nodes: int = 3,
        keys: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        more: str = "",
    ) -> None:
        self.seed, self.dice, self.server, self.folder = seed, random.Random(seed), server, folder
        self.url = server.create_database()
        self.killed: Counter[str] = Counter()
        self._stack = ExitStack()
        self._stack.callback(server.drop_database, self.url)
        self.receivers = {name: self._stack.enter_context(Receiver(log=True)) for name in names}
        self._keys, self._more = keys or {}, more
        extra = dict(environment or {})
        program = PROGRAM if extra.keys() & {"BREAKAGE", "LEASE", "GONE"} else ROUTER
        self.ways: dict[str, Proxy] = {}
        self.nodes: dict[str, Daemon] = {}
        for number in range(nodes):
            name = f"n{number + 1}"
            (folder / name).mkdir()
            self.ways[name] = self._stack.enter_context(Proxy(("127.0.0.1", server.port)))
            self.nodes[name] = Daemon(folder / name, self._config(name), environment=extra, program=program)
            self._stack.callback(self.nodes[name].end)
        self.balancer = self._stack.enter_context(Proxy())
        self.ledger = folder / "ledger"
        self.ledger.touch()

    def _config(self, node: str) -> str:
        destinations = "".join(
            f'  {name}: {{type: http, url: "{receiver.url}", {self._keys.get(name, KEYS)}}}\n'
            for name, receiver in self.receivers.items()
        )
        # Through a way of its own, so that one node alone can lose its database.
        url = self.url.replace(f":{self.server.port}/", f":{self.ways[node].address[1]}/")
        return f"""listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0}}
store: {url}
node: {node}
timezone: Europe/London
region: GB
sources:
  wavix: {{}}
destinations:
{destinations}
rules: []
always: [{", ".join(self.receivers)}]
unmatched: drop
alerts: none
{self._more}"""

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            for name, daemon in self.nodes.items():
                print(f"== {name}", daemon.log_tail(), file=sys.stderr)
        self._stack.close()

    def start(self) -> None:
        """Start every node, and lead senders to them."""
        for daemon in self.nodes.values():
            daemon.start(deadline=40)
        self.balance()

    def balance(self) -> None:
        """Lead senders to the nodes that run."""
        targets = []
        for daemon in self.nodes.values():
            if daemon.process.poll() is None:
                host, _, port = str(daemon.state()["listen"]).rpartition(":")
                targets.append((host, int(port)))
        self.balancer.lead_to(*targets)

    def load(self, connections: int = 16, **how: Any) -> Load:
        """A sender that insists on 200 and writes the ledger, through the balancer."""
        how = {"ledger": self.ledger, "insist": True, **how}
        host, port = self.balancer.address
        return self._stack.enter_context(Load(f"http://{host}:{port}/webhooks/wavix", connections=connections, **how))

    # What happens to them --------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """SIGKILL every process of a node, and start it again."""
        self.nodes[name].end()
        self.killed[name] += 1
        self.nodes[name].start(deadline=40)
        self.balance()

    def stopped(self, name: str, until_seen: Callable[[], object], seconds: float) -> None:
        """SIGSTOP every process of a node until something is seen, then let it go on."""
        pids = self.nodes[name].all_pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            until(until_seen, seconds, what="what was to be seen while the node stood still")
        finally:
            for pid in pids:
                if processes.alive(pid):
                    os.kill(pid, signal.SIGCONT)

    def terminate_all(self) -> int:
        """End every connection of the nodes at the server; return how many there were."""
        with self.server.superuser() as db:
            found = db.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s",
                (psycopg.conninfo.conninfo_to_dict(self.url)["dbname"],),
            ).fetchone()
        return int(found[0]) if found else 0

    # The end ---------------------------------------------------------------------------------------------

    def ask(self, sql: str) -> Any:
        """Return the first column of the first row."""
        with psycopg.connect(self.url) as db:
            row = db.execute(sql.encode()).fetchone()
        return row[0] if row else None

    def drained(self, deadline: float = 60.0) -> bool:
        """Wait until every event that was accepted has been routed and has ended; False when that does not come."""
        try:
            until(self._over, deadline, what="nothing is left", every=0.2)
        except AssertionError as ex:
            print(ex, file=sys.stderr)
            return False
        return True

    def _over(self) -> bool:
        accepted = len(Ledger.read(self.ledger).acknowledged)
        if any(receiver.report()["different"] < accepted for receiver in self.receivers.values()):
            return False
        left = "SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM delivery WHERE state < 10)"
        return bool(self.ask(left) == 0)

    def stop(self) -> None:
        """End all nodes in order, one after the other."""
        for daemon in self.nodes.values():
            daemon.stop()

    def judge(self) -> Finding:
        """Judge by A to E what arrived everywhere. The nodes have ended."""
        ledger = Ledger.read(self.ledger)
        finding = Finding(kills=self.killed.total(), accepted=len(ledger.acknowledged))
        for name, receiver in self.receivers.items():
            fate = fates(self.url, name)
            verdict = judge(ledger, receiver.log(), dead=fate.dead, unknown=fate.unknown)
            finding.faults += [f"{fault} ({name})" for fault in verdict.faults + unfinished(fate.unfinished)]
            finding.lost += verdict.lost
            finding.duplicates += verdict.duplicates
            finding.unordered += verdict.unordered
        finding.faults += unsound(self.url)
        return finding
