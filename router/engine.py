"""Chooses between a store in a folder and one on PostgreSQL; nobody else does."""

from __future__ import annotations

import os

from router.clock import now
from router.commands import Commands
from router.commands.file import CommandFile
from router.config import Config
from router.inbox.room import Room
from router.inbox.writer import InboxWriter
from router.intake import Intake
from router.intake.files import FileIntake
from router.location import PostgresAt
from router.store import Reading, Store
from router.store.nodes import Alone, Membership
from router.store.sqlite.file import NAME
from router.store.sqlite.reading import SqliteReading
from router.store.sqlite.store import SqliteStore

#: Seconds a statement about commands may take.
_STATEMENT = 5.0


def open_store(config: Config) -> Store:
    """Return the store of *config* for its worker, made or brought up to date when need be; raises StoreError."""
    if isinstance(config.store, PostgresAt):
        from router.store.postgres.store import PostgresStore  # noqa: PLC0415 - who keeps a folder does not pay for it

        return PostgresStore.open(config.store, node=config.node or "")
    return SqliteStore.open(config.data)


def prepare(config: Config, store: Store, *, delivers: bool) -> bool:
    """Get *store* ready for a daemon that is about to start; return whether it may carry out operators' commands yet.

    Raises StoreError, and RouterError where another node that lives has this one's name.
    """
    if not isinstance(config.store, PostgresAt):
        return True
    from router.store.postgres import clock, heartbeat, locks  # noqa: PLC0415 - as above
    from router.store.postgres.store import PostgresStore  # noqa: PLC0415 - as above

    assert isinstance(store, PostgresStore)  # noqa: S101 - it was opened by this configuration
    # No lock of a share is held: what must be routed meanwhile is left to the nodes that hold them.
    store.hold(())
    clock.follow(store.session.execute)
    heartbeat.refuse_taken(store.session, heartbeat.Daemon.here(config.node or "", delivers=delivers, pid=os.getpid()))
    store.get_ready(now())
    # Where another node leads, it is the one; the lock goes with this session.
    row = store.session.execute("SELECT pg_try_advisory_lock(%s, %s)", (locks.LOCKS, locks.LEADER)).fetchone()
    return row is not None and bool(row[0])


def membership(config: Config, store: Store, *, daemon: int) -> Membership:
    """Return the place among other nodes of the worker of *config*, whose supervisor is the process *daemon*."""
    if not isinstance(config.store, PostgresAt):
        return Alone()
    from router.store.postgres import heartbeat  # noqa: PLC0415 - as above
    from router.store.postgres.nodes import Nodes  # noqa: PLC0415 - as above
    from router.store.postgres.store import PostgresStore  # noqa: PLC0415 - as above

    assert isinstance(store, PostgresStore)  # noqa: S101 - it was opened by this configuration
    itself = heartbeat.Daemon.here(config.node or "", delivers=True, pid=daemon)
    return Nodes(store, heartbeat.Heartbeat(store.session, itself, gone=heartbeat.GONE), gone=heartbeat.GONE)


def open_reading(config: Config) -> Reading:
    """Return the store of *config* for looking; raises StoreError, also when nothing was ever stored."""
    if isinstance(config.store, PostgresAt):
        from router.store.postgres.reading import PostgresReading  # noqa: PLC0415 - as above

        return PostgresReading.open(config.store)
    return SqliteReading.open(config.data)


def intake(config: Config, store: Store) -> Intake:
    """Return where the worker of *config*, whose *store* this is, takes accepted events from."""
    if isinstance(config.store, PostgresAt):
        from router.intake.shared import SharedIntake  # noqa: PLC0415 - as above
        from router.store.postgres.store import PostgresStore  # noqa: PLC0415 - as above

        assert isinstance(store, PostgresStore)  # noqa: S101 - it was opened by this configuration
        return SharedIntake(store)
    return FileIntake(store, config.data / "inbox")


def open_inbox(config: Config, room: Room) -> InboxWriter:
    """Return where the ingest process of *config* keeps what it accepts, and refuses everything while *room* does."""
    folder = config.data / "inbox"
    if isinstance(config.store, PostgresAt):
        from router.intake.shelf import SharedShelf  # noqa: PLC0415 - as above

        at, node = config.store, config.node or ""
        bell = config.data / "wake"
        return InboxWriter(folder, shelf=lambda: SharedShelf(at, node), where=str(at), bell=bell, room=room)
    return InboxWriter(folder, room=room)


def open_commands(config: Config, store: Store | None = None) -> Commands:
    """Return where commands are recorded; for the worker, which reads them in the transactions of its *store*."""
    if isinstance(config.store, PostgresAt):
        from router.commands.table import CommandTable  # noqa: PLC0415 - as above
        from router.store.postgres.connection import connect, refusal  # noqa: PLC0415 - as above
        from router.store.postgres.session import Session  # noqa: PLC0415 - as above
        from router.store.postgres.store import PostgresStore  # noqa: PLC0415 - as above

        if isinstance(store, PostgresStore):
            return CommandTable(store.session, own=False)
        at, node = config.store, config.node
        session = Session(
            lambda: connect(at, role="commands", node=node, statement_timeout=_STATEMENT), lambda ex: refusal(ex, at)
        )
        return CommandTable(session)
    return CommandFile(config.data)


def was_used(config: Config) -> bool:
    """Whether there should be a store: one in a folder that was never made has nothing to tell, and is no trouble."""
    return isinstance(config.store, PostgresAt) or (config.data / NAME).exists()
