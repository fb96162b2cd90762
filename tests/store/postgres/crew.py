"""Nodes on one real database, each with a session of its own; time passes where a test says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg

from router.errors import StoreError
from router.store.postgres.heartbeat import GONE, Daemon, Heartbeat
from router.store.postgres.migrate import migrate
from router.store.postgres.nodes import LOOK, Nodes
from router.store.postgres.session import Session

#: No process has this number.
NOBODY = 1 << 30


class Node:
    """One worker as far as the other nodes notice it."""

    def __init__(self, url: str, name: str, *, host: str | None = None, pid: int = NOBODY, delivers: bool = True):
        self.session = Session(
            lambda: psycopg.connect(url, autocommit=True, application_name=name),
            lambda ex: StoreError(str(ex)),
        )
        self.held: frozenset[int] = frozenset()
        self.time = 0.0
        daemon = Daemon(name, delivers, host or f"host-of-{name}", pid)
        self.heartbeat = Heartbeat(self.session, daemon, monotonic=lambda: self.time)
        self.nodes = Nodes(self, self.heartbeat, gone=GONE, monotonic=lambda: self.time)
        #: Whether nothing is out under a larger part of a limit.
        self.settled = True
        self.gained = 0

    def hold(self, shares: Iterable[int]) -> None:
        self.held = frozenset(shares)

    def tend(self, about: Mapping[str, Any] | None = None, *, after: float = LOOK) -> None:
        self.time += after
        self.gained += self.nodes.tend(about or {}, settled=self.settled)


class Crew:
    """All nodes of a test."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.all: list[Node] = []
        self.sql = Session(lambda: psycopg.connect(url, autocommit=True), lambda ex: StoreError(str(ex)))
        migrate(self.sql)

    def start(self, *names: str, **given: Any) -> Node:
        """Start a node of each name; return the last one."""
        for name in names:
            self.all.append(Node(self.url, name, **given))
        return self.all[-1]

    def settle(self, *nodes: Node, rounds: int = 12) -> None:
        """Let *nodes* (all, where none is named) look around until nothing changes any more."""
        for _ in range(rounds):
            for node in nodes or self.all:
                node.tend()

    def dies(self, node: Node) -> None:
        """End the process of *node*: its connection is cut, and nothing more is heard of it."""
        self.all.remove(node)
        node.session.close()
        self.silence(node)

    def silence(self, node: Node, seconds: float = GONE + 1) -> None:
        """Let so many seconds pass in which *node* alone is not heard."""
        self.sql.execute(
            "UPDATE node SET heard_at = heard_at - %s WHERE name = %s", (seconds, node.heartbeat.daemon.name)
        )
        node.time += seconds

    def cut(self, node: Node) -> None:
        """End its connection by the server's hand."""
        self.sql.execute("SELECT pg_terminate_backend(%s, 5000)", (node.session.pid,))

    def parts(self, whole: int) -> list[int]:
        return [node.nodes.place.part(whole) for node in self.all]

    def close(self) -> None:
        for node in self.all:
            node.session.close()
        self.sql.close()
