"""A configuration in a folder of its own, a store that has seen a few calls, and a way to run commands on them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from router import samples
from router.cli import invoke
from router.commands.file import CommandFile
from router.config import Config, load
from router.errors import Fault
from router.inbox import Entry
from router.store import Attempt, State
from router.store.sqlite.store import SqliteStore
from router.worker.alerting import Alerting
from router.worker.routing import Routing, find

CONFIG = """\
listen: 127.0.0.1:{port}
admin: {{listen: 127.0.0.1:0}}
store: sqlite:data
timezone: Europe/London
region: GB
sources:
  phone:
    auth: {auth}
destinations:
  archive: {{type: file, path: data/archive.jsonl}}
  crm: {{type: file, path: data/crm.jsonl, order: call}}
  pager: {{type: slack, url: "${{PAGER_URL}}", optional: true}}
rules:
  - name: missed
    when: {{missed: true}}
    send: [crm]
  - name: ringing
    when: {{event_type: ringing, direction: inbound}}
    send: [pager]
always: [archive]
unmatched: drop
alerts: none
"""

NOW = 1_760_000_000.0


class Ran(NamedTuple):
    """What one command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder, where commands run."""
    for name in ("CALLROUTER_CONFIG", "PAGER_URL", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_config(folder) -> Callable[..., Config]:
    def write(*, port: int = 0, auth: str = "none") -> Config:
        (folder / "config.yaml").write_text(CONFIG.format(port=port, auth=auth))
        return load(Path("config.yaml"))

    return write


@pytest.fixture
def config(write_config) -> Config:
    return write_config()


@pytest.fixture
def run(capsys) -> Callable[..., Ran]:
    """Runs one command in this process, as ``main`` does."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = invoke([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return run


class Played:
    """A store that routes sample calls and ends deliveries as it is told. Closed again after each step."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def call(self, sample: str, *, at: float = NOW, uuid: str | None = None) -> str:
        with closing(SqliteStore.open(self.config.data)) as store, store.transaction():
            store.know(self.config.destinations, {})
            routing = Routing(store, self.config)
            events = samples.play(sample, started_at=at, uuid=uuid)
            for timed in events:
                received = at + timed.after
                routing.route(find(Entry("phone", json.dumps(timed.event).encode(), received, "10.0.0.1")), received)
            routing.end_calls(at + events[-1].after + self.config.settle)
        return events[0].event["uuid"]

    def event(self, **fields: object) -> None:
        body = json.dumps({**json.loads(samples.documented()), **fields}).encode()
        with closing(SqliteStore.open(self.config.data)) as store, store.transaction():
            store.know(self.config.destinations, {})
            Routing(store, self.config).route(find(Entry("phone", body, NOW, "10.0.0.1")), NOW)

    def refuse(self, body: bytes = b"{}", *, at: float = NOW, faults: Sequence[str] = ("uuid",)) -> int:
        with closing(SqliteStore.open(self.config.data)) as store, store.transaction():
            return store.quarantine("phone", body, [Fault(path, "is missing") for path in faults], at, "10.0.0.9")

    def alert(self, what: str, about: str, reason: str) -> None:
        """Tell the destinations of ``alerts:`` of one thing that happened."""
        self.config = load(Path("config.yaml"))
        with closing(SqliteStore.open(self.config.data)) as store, store.transaction():
            store.know(self.config.destinations, {})
            Alerting(store, self.config, NOW)._happened(what, about, 1, reason, NOW)

    def take_in(self, quarantine_id: int) -> None:
        with closing(SqliteStore.open(self.config.data)) as store, store.transaction():
            store.readmitted(quarantine_id, NOW)

    def attempt(
        self,
        destination: str,
        state: State,
        reason: str | None = None,
        *,
        due: float = NOW + 60,
        answer: dict[str, object] | None = None,
    ) -> list[int]:
        """End what is due for *destination* in *state*, and return the deliveries."""
        ended = []
        with closing(SqliteStore.open(self.config.data)) as store, store.transaction():
            claims = store.claim(destination, now=4e9, owner="test", lease_until=5e9, limit=100)
            for claim in claims:
                outcome = "delivered" if state is State.DELIVERED else "refused"
                attempt = (claim.delivery_id, claim.attempt, "test", state, outcome, reason, 404, NOW, NOW + 0.25, due)
                store.record(Attempt(*attempt, answer=answer))
                ended.append(claim.delivery_id)
        return ended

    def pause(self, destination: str, reason: str) -> None:
        with closing(SqliteStore.open(self.config.data)) as store, store.transaction():
            store.know(self.config.destinations, {})
            store.pause(destination, reason, "fingerprint", NOW)


@pytest.fixture
def played(config) -> Played:
    return Played(config)


@pytest.fixture
def recorded(config) -> Callable[[], list[tuple[str, dict[str, Any]]]]:
    """Returns what operators asked for so far: each command's action and arguments."""
    return lambda: [(command.action, dict(command.arguments)) for command in CommandFile(config.data).after(0)]


@pytest.fixture
def daemon_says(folder) -> Iterator[Callable[..., None]]:
    """Writes data/daemon.json as a supervisor would; a real process stands in for it."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()", "router"], stdin=subprocess.PIPE)

    def say(*, listen: str = "127.0.0.1:8080", version: str = "v1", name: str = "daemon.json") -> None:
        (folder / "data").mkdir(exist_ok=True)
        with (folder / "data" / "ballast").open("w") as ballast:
            ballast.truncate(16 << 20)
        worker = {"name": "worker", "pid": process.pid, "started_at": NOW, "restarts": 0, "state": "running"}
        said = {
            "pid": process.pid,
            "started_at": NOW,
            "config": "config.yaml",
            "config_version": version,
            "disabled": {"pager": "PAGER_URL is not set"},
            "listen": listen,
            "admin": "127.0.0.1:8081",
            "processes": [{**worker, "last_exit": None}],
        }
        (folder / "data" / name).write_text(json.dumps(said))

    yield say
    process.communicate()
