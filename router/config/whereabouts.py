"""Where the store is, where this machine's own files are, and what it is called among several."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from router.config import scalars
from router.config.fields import Fields
from router.config.located import Block, Text
from router.config.problems import Problems
from router.location import PostgresAt, SqliteAt, StoreAt
from router.secret import Secret

#: The keys that say it, store first.
KEYS = ("store", "data", "node", "spool")

#: Why the others are no keys of a configuration whose store is a folder.
_ELSEWHERE = {
    "data": ("the folder is in store: already", "write store: sqlite:FOLDER, and remove data"),
    "node": ("one machine that keeps its store in a folder needs no name", "remove node"),
    "spool": ("events are kept on this machine already", "remove spool"),
}
_SCHEMES = ("postgresql:", "postgres:")
_NODE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
#: A URL without a password, as it is written when its variables are left out; anything else may have one.
_NO_PASSWORD = re.compile(
    r"postgres(ql)?://([\w.-]*:?@)?[\w.,\[\]-]*(:\d{0,5})?(/[\w-]*)?(\?(&?(?!(ssl)?password|oauth)\w+=[^&]*)*)?",
    re.ASCII,
)


class Whereabouts(NamedTuple):
    """What ``store``, ``data``, ``node`` and ``spool`` say together."""

    store: StoreAt
    #: This machine's own folder.
    data: Path
    #: None where the store is a folder.
    node: str | None
    spool: bool


def read_whereabouts(root: Block, fields: Fields, folder: Path, problems: Problems) -> Whereabouts:
    """Return where everything is; relative paths begin at *folder*."""
    value = root.get("store")
    if isinstance(value, Text) and _may_show_a_password(value.written):
        # The place, not the value: one that takes only its host from a variable is hidden as well.
        problems.hide(value.place)
    usual = SqliteAt(folder / "data")
    store = fields.read("store", _store(folder)) if "store" in root else usual
    if isinstance(store, SqliteAt):
        for name, (text, hint) in _ELSEWHERE.items():
            if name in root:
                problems.error(fields.key(name), f'"{name}" is for a store on PostgreSQL: {text}', hint)
        return Whereabouts(store, store.folder, None, spool=False)
    data = fields.read("data", lambda name: (folder / scalars.text(name)).resolve(), folder / "data")
    node = fields.read("node", _node) or _host()
    spool = fields.read("spool", _spool, False)
    return Whereabouts(store or usual, data, node if store else None, spool)


def _may_show_a_password(written: str) -> bool:
    if not written.startswith(_SCHEMES):
        return "@" in written
    return not _NO_PASSWORD.fullmatch(re.sub(r"\$\{[^}]*\}", "", written))


def _store(folder: Path) -> Callable[[str], StoreAt]:
    """Return a reader of ``sqlite:FOLDER``, relative to *folder*, and of ``postgresql://…``."""

    def read(value: str) -> StoreAt:
        if value.startswith(_SCHEMES):
            return _database(value)
        scheme, _, name = value.partition(":")
        if scheme != "sqlite" or not name or name.startswith("//"):
            what = "this" if "@" in value else f'"{value}"'
            raise ValueError(f"{what} is no store; write sqlite:FOLDER, for example sqlite:data, or postgresql://…")
        return SqliteAt((folder / name).resolve())

    return read


def _database(value: str) -> PostgresAt:
    """Return the database that a URL names; no sentence of libpq's is passed on, for they quote passwords."""
    from psycopg import Error  # noqa: PLC0415 - loaded only where a configuration names a PostgreSQL

    _, slashes, rest = value.partition("://")
    if not slashes:
        raise ValueError(
            "an address of PostgreSQL begins with postgresql://, for example postgresql://db.example/calls"
        )
    authority, _, path = rest.partition("?")[0].partition("/")
    if authority.count("@") > 1 or "@" in path:
        raise ValueError("user and password must not have @ or / in them; write them as %40 and %2F")
    at = PostgresAt(Secret(value))
    try:
        said = at.parameters()
    except Error as ex:
        raise ValueError(_refusal(str(ex))) from None
    if not re.fullmatch(r"[\d,]*", said.get("port", "")):
        raise ValueError("the port is no number; a : or / in user or password is written %3A or %2F")
    return at


def _refusal(said: str) -> str:
    if unknown := re.search(r'invalid URI query parameter: "(\w+)"', said):
        return (
            f'PostgreSQL knows no connection parameter "{unknown[1]}"; '
            "the manual of PostgreSQL lists them under Connection Strings"
        )
    if "percent-encoded" in said:
        return "a % must be followed by two hexadecimal digits; the sign itself is written %25"
    return "this is no address of a database; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full"


def _node(value: str) -> str:
    if not _NODE.fullmatch(value):
        raise ValueError(f'"{value}" is no name of a node; it has letters, digits, "." and "-", at most 63 of them')
    return value


def _spool(value: str) -> bool:
    if scalars.boolean(value):
        raise ValueError(
            "events cannot be kept on this machine while the database is away: that is not built yet; leave it out, "
            "and they are answered 503 meanwhile, so that the sender posts them again"
        )
    return False


def _host() -> str:
    """Return this machine's name, as far as it can be a node's."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", socket.gethostname())[:63].strip(".-") or "node"
