"""One node's way into the database: a connection that is made again when it was lost, and transactions on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from router.errors import StoreError

Connection = psycopg.Connection[Any]
Cursor = psycopg.Cursor[Any]


class Session:
    """Belongs to one thread. What it has locked for its life is lost with its connection: see ``generation``."""

    def __init__(self, connect: Callable[[], Connection], refusal: Callable[[psycopg.Error], StoreError]) -> None:
        """Connect now, and again whenever the connection was lost; *connect* and ``execute`` raise StoreError."""
        self._connect = connect
        self._refusal = refusal
        self._db = connect()
        #: Grows with every connection: locks of the session that were taken under another number are gone.
        self.generation = 1
        #: How many statements were sent, BEGIN and COMMIT among them.
        self.statements = 0

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, be it one that has failed."""
        return self._db.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    @property
    def lost(self) -> bool:
        """Whether the connection broke off; the next statement makes another."""
        return bool(self._db.closed)

    @property
    def descriptor(self) -> int:
        """The connection's socket; made again when it was lost. Raises StoreError."""
        if self._db.closed:
            self._again()
        return self._db.fileno()

    @property
    def pid(self) -> int:
        """The number of the server's process that serves this session."""
        return self._db.info.backend_pid

    def execute(self, sql: str, values: Sequence[Any] | dict[str, Any] | None = None) -> Cursor:
        """Run one statement, part of the open transaction or one of its own; raises StoreError."""
        if self._db.closed:
            self._again()
        self.statements += 1
        try:
            # Bodies come over as they are, and not twice as long in hexadecimal digits.
            return self._db.execute(sql.encode(), values, binary=True)
        except psycopg.Error as ex:
            raise self._refusal(ex) from ex

    def script(self, sql: str) -> None:
        """Run several statements of our own, part of the open transaction; raises StoreError."""
        self.statements += 1
        try:
            self._db.execute(sql.encode())
        except psycopg.Error as ex:
            raise self._refusal(ex) from ex

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside one durable step; raises StoreError when it is not known to be on disk."""
        if self._db.closed:
            self._again()
        try:
            self.execute("BEGIN")
            yield
            self.execute("COMMIT")
        except BaseException:
            self._undo()
            raise

    def close(self) -> None:
        """Let go of the connection, and of every lock of the session."""
        self._db.close()

    def _again(self) -> None:
        self._db = self._connect()
        self.generation += 1

    def _undo(self) -> None:
        if self._db.closed or not self.in_transaction:
            return
        # A connection that cannot even roll back is of no use; the next step makes another.
        try:
            self._db.execute("ROLLBACK")
        except psycopg.Error:
            with suppress(psycopg.Error):
                self._db.close()
