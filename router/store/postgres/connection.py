"""Connecting to the database the way a store needs it, and its refusals as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from router.errors import DiskFull, StoreDamaged, StoreError
from router.location import PostgresAt

#: The oldest major version that tests run on.
OLDEST = 16
#: Seconds for which a transaction may sit idle: then its process hangs, and holds back everybody else's.
IDLE = 30
#: Seconds to wait for a connection.
CONNECT = 5
#: Seconds a statement waits for a lock that somebody else has.
PATIENCE = 5

#: What the URL does not say itself. A machine that is gone, or behind a cut cable, is noticed within seconds.
_DEFAULTS: Mapping[str, int] = {
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    # Milliseconds; the others are seconds.
    "tcp_user_timeout": 5000,
}

#: By SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
_SENTENCES: Mapping[str, str] = {
    "28P01": "{at} refuses the password: correct it in store:, or in the role (ALTER ROLE … PASSWORD)",
    "28000": "{at} does not let this user in: see pg_hba.conf there, the user's name and sslmode",
    "3D000": "{at} does not exist: make it (CREATE DATABASE), or correct its name in store:",
    "42501": "{at} does not permit this: give the user its rights; it must own the database's tables",
    "53100": "the disk of {at} is full: nothing was kept of this step; make room on it",
    "53200": "{at} has no memory left: see its log",
    "53300": "{at} takes no more connections: raise max_connections, or end other programs",
    "57014": "the question to {at} took too long and was given up: ask for less at a time",
    "57P01": "{at} ended the connection: it is shutting down, or somebody ended it there",
    "57P02": "{at} crashed and is starting again",
    "57P03": "{at} is starting or shutting down",
    "57P05": "{at} ended a connection that had been idle for too long",
    "25P03": "{at} ended a transaction that had been idle for too long",
    "25006": "{at} cannot be written: it is a standby, or its transactions are read-only; name the primary",
    "55P03": "a table of {at} is locked by somebody else (a backup, an SQL console): end it",
    "40P01": "{at} gave up one of two steps that waited for each other; it is tried again",
    "XX001": "{at} is damaged: see its log, and restore a backup",
    "XX002": "an index of {at} is damaged: see its log, and rebuild it (REINDEX)",
}  # fmt: skip

#: Lines of libpq's that say no reason.
_CHATTER = ("Is the server running", "Multiple connection attempts failed")

_KINDS: Mapping[str, type[StoreError]] = {"53100": DiskFull, "XX001": StoreDamaged, "XX002": StoreDamaged}

#: What libpq says where nobody answered with an SQLSTATE, and what that means. Its own texts, from fe-connect.c.
_UNANSWERED: tuple[tuple[str, str], ...] = (
    ("password authentication failed", _SENTENCES["28P01"]),
    ("no password supplied", "{at} wants a password: write it in store:, or name a passfile there"),
    ("no pg_hba.conf entry", _SENTENCES["28000"]),
    ("pg_hba.conf rejects", _SENTENCES["28000"]),
    ('role "', "{at} has no such user: make it (CREATE ROLE … LOGIN), or correct its name in store:"),
    ("does not exist", _SENTENCES["3D000"]),
    ("server does not support SSL", "{at} offers no TLS, and sslmode demands it: switch ssl on there"),
    ("certificate verify failed", "{at} shows a certificate that nobody trusted here signed: see sslrootcert"),
    ("root certificate file", "the certificates to check {at} with are missing: name their file as sslrootcert"),
    ("does not match host name", "{at} shows the certificate of another host: connect by the name that is in it"),
    ("Connection refused", "nobody listens: {at} is not running, or its host or port is another"),
    ("No such file or directory", "nobody listens: {at} is not running, or its socket is elsewhere"),
    ("could not translate host name", "the host of {at} is not known here: correct it in store:, or see the DNS"),
    ("failed to resolve host", "the host of {at} is not known here: correct it in store:, or see the DNS"),
    ("definition of service", "the service file does not have the service that store: names ({at})"),
    ("remaining connection slots", _SENTENCES["53300"]),
    ("too many clients", _SENTENCES["53300"]),
    ("is starting up", _SENTENCES["57P03"]),
    ("is shutting down", _SENTENCES["57P03"]),
    ("recovery mode", _SENTENCES["57P02"]),
    ("timeout expired", "{at} does not answer: see whether its host runs and can be reached"),
    ("timed out", "{at} does not answer: see whether its host runs and can be reached"),
    ("unreachable", "{at} cannot be reached from here: see the network"),
    ("session is read-only", _SENTENCES["25006"]),
    ("hot standby", _SENTENCES["25006"]),
    ("server closed the connection", "the connection to {at} broke off"),
    ("connection is closed", "the connection to {at} is closed"),
    ("connection is lost", "the connection to {at} broke off"),
    ("Connection reset", "the connection to {at} broke off"),
)


def connect(
    at: PostgresAt,
    *,
    role: str,
    node: str | None,
    statement_timeout: float,
    connect_timeout: int = CONNECT,
    idle: float = 0.0,
) -> psycopg.Connection[Any]:
    """Return a connection to *at* that begins no transaction of its own; what it commits is on the server's disk.

    *role* and *node* are what the server's tables of its connections say of it (``callrouter/NODE/ROLE``). A statement
    that takes longer than *statement_timeout* seconds is given up, and a connection that is *idle* for so many seconds
    is ended (0: never). Raises StoreError.
    """
    given = at.parameters()
    name = "/".join(("callrouter", *filter(None, (node, role))))
    defaults: dict[str, Any] = {"application_name": name, "connect_timeout": connect_timeout, **_DEFAULTS}
    try:
        db = psycopg.connect(
            at.url.reveal(), autocommit=True, **{key: value for key, value in defaults.items() if key not in given}
        )
    except psycopg.Error as ex:
        raise refusal(ex, at) from None
    try:
        _require(db, at)
        _settle(db, statement_timeout, idle)
    except psycopg.Error as ex:
        db.close()
        raise refusal(ex, at) from None
    except StoreError:
        db.close()
        raise
    return db


def refusal(ex: psycopg.Error, at: PostgresAt) -> StoreError:
    """Return what *ex* means for the operator of the database *at*, without its password."""
    said = _discreet(_gist(ex), at)
    if ex.sqlstate:
        sentence = _SENTENCES.get(ex.sqlstate)
    else:
        sentence = next((known for words, known in _UNANSWERED if words in said), None)
    return _KINDS.get(ex.sqlstate or "", StoreError)(
        f"{sentence.format(at=at)} ({said})" if sentence else f"{at}: {said}"
    )


def _require(db: psycopg.Connection[Any], at: PostgresAt) -> None:
    """Raise StoreError for a server that cannot keep a store."""
    major = db.info.server_version // 10000
    if major < OLDEST:
        raise StoreError(f"{at} is PostgreSQL {major}: callrouter needs {OLDEST} or newer; upgrade it (pg_upgrade)")
    row = db.execute("SELECT pg_is_in_recovery()").fetchone()
    if row and row[0]:
        raise StoreError(
            f"{at} is a read-only standby: name the primary in store:, "
            "or all hosts and target_session_attrs=read-write to have it found"
        )


def _settle(db: psycopg.Connection[Any], statement_timeout: float, idle: float) -> None:
    db.execute(
        """
        SELECT set_config('statement_timeout', %(statement)s, false),
               set_config('lock_timeout', %(lock)s, false),
               set_config('idle_in_transaction_session_timeout', %(stuck)s, false),
               set_config('idle_session_timeout', %(idle)s, false),
               -- A server may wait for more than its own disk, for its standbys; it must not wait for less.
               set_config('synchronous_commit', CASE WHEN now IN ('off', 'local') THEN 'on' ELSE now END, false)
          FROM current_setting('synchronous_commit') AS now
        """,
        {
            "statement": f"{statement_timeout * 1000:.0f}ms",
            "lock": f"{PATIENCE}s",
            "stuck": f"{idle or IDLE:.0f}s",
            "idle": f"{idle:.0f}s",
        },
    )


def _gist(ex: psycopg.Error) -> str:
    """Return what was said, in one line: of a server its message, of libpq the reason of the last host it tried."""
    if ex.diag.message_primary:
        return ex.diag.message_primary
    reasons = [line for line in str(ex).splitlines() if line.strip() and not line.lstrip().startswith(_CHATTER)]
    said = reasons[-1] if reasons else type(ex).__name__
    return (
        said.removeprefix("connection failed: ").removeprefix("connection is bad: ").strip(" -").replace("FATAL:  ", "")
    )


def _discreet(said: str, at: PostgresAt) -> str:
    given = at.parameters()
    for name in ("password", "sslpassword"):
        if held := given.get(name):
            said = said.replace(held, "<secret>")
    return said.replace(at.url.reveal(), str(at))
