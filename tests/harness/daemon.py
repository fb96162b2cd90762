"""A real daemon in a folder of its own: started, looked at, killed in parts, stopped."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.harness import processes
from tests.harness.waiting import until

_ROOT = Path(__file__).parents[2]
#: Seconds within which a daemon must be ready, and must have ended after SIGTERM.
_START, _STOP = 20.0, 20.0
_LOG_TAIL = 60
#: Seconds that processes may outlive their supervisor's own end.
LEFT_BEHIND = 5.0

_STATE_FILES = {"run": "daemon.json", "serve": "daemon-ingest.json", "work": "daemon-worker.json"}
ROUTER = (sys.executable, "-m", "router")

#: Beginning of every configuration for tests: the operating system chooses the ports.
LISTEN = "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nstore: sqlite:data\ntimezone: Europe/London\nregion: GB\n"


class Answer(NamedTuple):
    """What an HTTP request got."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


class Finished(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Daemon:
    """``python -m router run`` (or another role) on *folder*/config.yaml, in a session of its own."""

    def __init__(
        self,
        folder: Path,
        config: str,
        *,
        role: str = "run",
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = ROUTER,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.config = folder / "config.yaml"
        self.config.write_text(config)
        self._program = program
        self._role = role
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")]),
            **(environment or {}),
        }
        self._log_path = folder / "daemon.log"
        self._process: subprocess.Popen[bytes] | None = None

    # Its life --------------------------------------------------------------------------------------------

    def start(self, *, deadline: float = _START) -> Daemon:
        """Start it and return when it is ready to accept events."""
        self.launch()
        try:
            until(self._is_ready, deadline, what="the daemon is ready", every=0.02)
        except AssertionError as ex:
            self.end()
            raise AssertionError(f"{ex}\n{self.log_tail()}") from None
        return self

    def launch(self) -> None:
        """Start it and return at once."""
        command = [*self._program, self._role, "--config", str(self.config)]
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.harness.tethered", *command],
                cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def _is_ready(self) -> bool:
        code = self.process.poll()
        if code is not None:
            raise AssertionError(f"the daemon ended at its start with exit code {code}")
        state = self.state()
        # A role by itself has no worker, or no ingest, and so is never ready for the whole way of an event.
        probe = f"http://{state['admin']}/readyz" if "admin" in state else f"http://{state['listen']}/healthz"
        return state["pid"] == self.pid and request("GET", probe).status == 200

    def stop(self, *, deadline: float = _STOP) -> None:
        """End it with SIGTERM; raise AssertionError unless it exits with 0 in time and leaves no process behind."""
        self.process.terminate()
        code = self.wait(deadline)
        assert code == 0, f"the daemon ended with exit code {code} after SIGTERM\n{self.log_tail()}"
        try:
            until(lambda: not processes.session(self.pid), LEFT_BEHIND, what="every process of the daemon has ended")
        except AssertionError:
            self.end()
            raise

    def wait(self, deadline: float = _STOP) -> int:
        """Wait for its end and return its exit code."""
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"the daemon did not end within {deadline:g} s\n{self.log_tail()}") from None

    def end(self) -> None:
        """End it and all its processes at once, whatever state they are in."""
        if self._process is None:
            return
        for pid in processes.session(self._process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait(5)
        leader = self._process.pid
        until(lambda: not processes.session(leader), LEFT_BEHIND, what="every process of the daemon has ended")

    def __enter__(self) -> Daemon:
        return self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            print(self.log_tail(), file=sys.stderr)
            self.end()
        elif self.process.poll() is None:
            self.stop()

    # What it is made of ----------------------------------------------------------------------------------

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the daemon has not been started"
        return self._process

    @property
    def pid(self) -> int:
        """The supervisor's process id, which also names the session of all its processes."""
        return self.process.pid

    def state(self) -> dict[str, Any]:
        """What the supervisor wrote about itself; raises OSError or ValueError while there is nothing to read."""
        return dict(json.loads((self.data / _STATE_FILES[self._role]).read_text()))

    def pids(self) -> dict[str, int]:
        """Process name → pid of those that run now, without the supervisor."""
        return {entry["name"]: entry["pid"] for entry in self.state()["processes"] if entry["state"] == "running"}

    def all_pids(self) -> list[int]:
        """Every process of the daemon: supervisor, roles and what they started."""
        return processes.session(self.pid)

    def kill(self, name: str) -> int:
        """SIGKILL one process by its name; return the pid it had."""
        pid = self.pids()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_supervisor(self) -> list[int]:
        """SIGKILL the supervisor; return the pids of all that must now end by themselves."""
        pids = self.all_pids()
        self.process.kill()
        self.process.wait(5)
        return pids

    # Talking to it ---------------------------------------------------------------------------------------

    def url(self, source: str = "wavix") -> str:
        """Where *source* posts its events."""
        return f"http://{self.state()['listen']}/webhooks/{source}"

    def post(self, body: bytes, source: str = "wavix", *, timeout: float = 10.0) -> Answer:
        """Post one event."""
        return request("POST", self.url(source), body, {"Content-Type": "application/json"}, timeout)

    def admin(self, path: str) -> Answer:
        """Get *path* from the admin listener."""
        return request("GET", f"http://{self.state()['admin']}{path}")

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics: ``name{labels}`` → value."""
        lines = self.admin("/metrics").body.decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def run(self, *arguments: str, deadline: float = 30.0) -> Finished:
        """Run another command of callrouter in the daemon's folder, on its config."""
        done = subprocess.run(
            [*self._program, *arguments],
            cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=deadline, check=False,
        )  # fmt: skip
        return Finished(done.returncode, done.stdout, done.stderr)

    def log(self) -> str:
        """Everything it has written to stdout and stderr, over all starts."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def log_tail(self) -> str:
        """The last lines of the log, for a failed test's message."""
        return "\n".join(["-- the daemon's last words --", *self.log().splitlines()[-_LOG_TAIL:]])


def request(
    method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, timeout: float = 10.0
) -> Answer:
    """Send one HTTP request on a connection of its own and return the answer."""
    parts = urlsplit(url)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})
    except http.client.HTTPException as ex:
        raise ConnectionError(f"{method} {url}: {ex!r}") from ex
    finally:
        connection.close()
