"""One node's row in the database: there when it has joined, renewed while it lives, marked when it does not.

Nobody is gone because of a clock: a node is gone once another has marked its row, and who finds its own row marked
knows that the others go on without it. Row locks put one before the other.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from router.errors import RouterError
from router.store.nodes import NodeRow
from router.store.postgres import clock
from router.store.postgres.clock import NOW
from router.store.postgres.locks import LOCKS, MEMBERS

#: Seconds between two signs of life; what the others look at they see sooner.
BEAT = 2.0
#: A node that was not heard of for so many seconds is gone.
GONE = 15.0
#: Seconds for which a node that is gone is remembered.
REMEMBERED = 86400.0

_ROWS = f"""
SELECT name, joined, delivers, started_at, heard_at, gone_at, leaving, about, among, {NOW} FROM node ORDER BY joined
"""  # noqa: S608 - our own words


_GONE = f"UPDATE node SET gone_at = {NOW}, among = '{{}}' WHERE gone_at IS NULL AND heard_at < {NOW} - %s"  # noqa: S608 - our own words
_FORGOTTEN = f"DELETE FROM node WHERE gone_at < {NOW} - %s"  # noqa: S608 - our own words


class Session(Protocol):
    """What is needed of a connection."""

    def execute(self, sql: str, values: Sequence[Any] | None = None) -> Any:
        """Run one statement, part of the open transaction or one of its own; raises StoreError."""

    def transaction(self) -> AbstractContextManager[None]:
        """Make everything inside one durable step."""


class NameTaken(RouterError):
    """Another node that lives has this one's name."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """Which daemon a node is: what tells it from another one with the same name."""

    name: str
    delivers: bool
    host: str
    #: Its supervisor's.
    pid: int

    @classmethod
    def here(cls, name: str, *, delivers: bool, pid: int) -> Daemon:
        """Return the one on this machine; one that only takes events in stands beside one that delivers."""
        return cls(name if delivers else f"{name}/serve", delivers, _machine(), pid)

    def follows(self, about: Mapping[str, Any]) -> bool:
        """Whether the one that said this of itself was on this machine, and is no more (or is this one)."""
        return about.get("host") == self.host and (about.get("pid") == self.pid or not _lives(about.get("pid")))


class Heartbeat:
    """Says that a node lives, and hears who else does. Used from the thread of its session."""

    def __init__(
        self,
        session: Session,
        daemon: Daemon,
        *,
        gone: float = GONE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self.daemon = daemon
        self._gone = gone
        self._monotonic = monotonic
        #: Which of all nodes that ever started it is; None before it has joined, and when the others took it for gone.
        self.joined: int | None = None
        #: Those whose rows were there when it last looked, it among them.
        self.rows: list[NodeRow] = []
        #: The limits are divided among these, as the others know.
        self.among: frozenset[int] = frozenset()
        self.leaving = False
        #: When it last said that it lives, by the monotonic clock.
        self.said_at = float("-inf")

    def join(self, about: Mapping[str, Any]) -> None:
        """Become one of the nodes; raises NameTaken while another that lives has the name, and StoreError."""
        asked = self._monotonic()
        with self._session.transaction():
            self._session.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, MEMBERS))
            refuse_taken(self._session, self.daemon, gone=self._gone)
            self._session.execute("DELETE FROM node WHERE name = %s", (self.daemon.name,))
            row = self._session.execute(
                "INSERT INTO node (name, delivers, started_at, heard_at, leaving, about)"  # noqa: S608 - our own words
                f" SELECT %s, %s, now, now, %s, %s FROM (SELECT {NOW} AS now) AS clock RETURNING joined",
                (self.daemon.name, self.daemon.delivers, self.leaving, self._text(about)),
            ).fetchone()
        self.joined, self.among, self.said_at = row[0], frozenset(), asked
        self.look()

    def beat(self, about: Mapping[str, Any]) -> bool:
        """Say that this node lives, and mark those that do not; return False when it was itself taken for gone."""
        asked = self._monotonic()
        said = self._session.execute(
            f"UPDATE node SET heard_at = {NOW}, about = %s, among = %s, leaving = %s"  # noqa: S608 - our own words
            " WHERE name = %s AND joined = %s AND gone_at IS NULL",
            (self._text(about), sorted(self.among), self.leaving, self.daemon.name, self.joined),
        )
        if not said.rowcount:
            self.joined, self.among = None, frozenset()
            return False
        self.said_at = asked
        self._session.execute(
            _GONE,
            (self._gone,),
        )
        self._session.execute(_FORGOTTEN, (REMEMBERED,))
        return True

    def look(self) -> None:
        """See who is there, and what time it is."""
        asked = time.monotonic()
        found = self._session.execute(_ROWS).fetchall()
        self.rows = [node_row(row[:-1]) for row in found]
        if found:
            clock.heard(found[0][-1], asked)

    def publish(self, among: frozenset[int], about: Mapping[str, Any]) -> None:
        """Have the others know at once that limits are divided among these."""
        self.among = among
        self.beat(about)

    def enter(self) -> bool:
        """Begin to divide limits with the others, where all that do so count this node in; return whether it does."""
        with self._session.transaction():
            # Who joins waits meanwhile: nobody is overlooked.
            self._session.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, MEMBERS))
            self.look()
            others = [row for row in self.rows if row.delivers and row.lives and row.joined != self.joined]
            mine = any(row.joined == self.joined and row.lives for row in self.rows)
            if not mine or any(row.among and self.joined not in row.among for row in others):
                return False
            among = members(self.rows)
            self._session.execute(
                "UPDATE node SET among = %s WHERE name = %s AND joined = %s AND gone_at IS NULL",
                (sorted(among), self.daemon.name, self.joined),
            )
        self.among = among
        return True

    def leave(self) -> None:
        """Be gone, and forgotten."""
        self._session.execute("DELETE FROM node WHERE name = %s AND joined = %s", (self.daemon.name, self.joined))
        self.joined, self.among = None, frozenset()

    def _text(self, about: Mapping[str, Any]) -> str:
        return json.dumps({"host": self.daemon.host, "pid": self.daemon.pid, **about})


def members(rows: Sequence[NodeRow]) -> frozenset[int]:
    """Return the nodes among which limits are divided: all that deliver and live."""
    return frozenset(row.joined for row in rows if row.delivers and row.lives)


def refuse_taken(session: Session, daemon: Daemon, *, gone: float = GONE) -> None:
    """Raise NameTaken where another node that lives has the name of *daemon*."""
    row = session.execute(
        f"SELECT about, {NOW} - heard_at FROM node WHERE name = %s AND gone_at IS NULL",  # noqa: S608 - our own words
        (daemon.name,),
    ).fetchone()
    if row is None or row[1] >= gone:
        return
    about = _read(row[0])
    if daemon.follows(about):
        return
    where = f"process {about.get('pid')} on {_host(about)}, heard {row[1]:.0f} s ago"
    raise NameTaken(
        f'another node on this store is called "{daemon.name}" ({where}): give each its own name with node: in its '
        f"configuration. If that one has just died, its name is free {gone:g} s after it was last heard"
    )


def node_row(row: Sequence[Any]) -> NodeRow:
    """Return one row of table ``node``, its columns in the order of ``NodeRow``."""
    name, joined, delivers, started_at, heard_at, gone_at, leaving, about, among = row
    return NodeRow(name, joined, delivers, started_at, heard_at, gone_at, leaving, _read(about), frozenset(among))


def _read(about: str) -> Mapping[str, Any]:
    try:
        said = json.loads(about)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _host(about: Mapping[str, Any]) -> str:
    return str(about.get("host", "another machine")).partition(" ")[0]


def _machine() -> str:
    """Return the name of this machine, and what tells it from another of that name."""
    try:
        # https://www.freedesktop.org/software/systemd/man/latest/machine-id.html
        number = Path("/etc/machine-id").read_text().strip()[:8]
    except OSError:
        number = ""
    return f"{socket.gethostname()} {number}".strip()


def _lives(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
