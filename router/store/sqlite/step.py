"""One method of the store as a durable step: part of the open transaction, or one of its own."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from router.errors import StoreError
from router.store.sqlite.file import refusal


class _Stepping(Protocol):
    _path: Path
    _db: sqlite3.Connection
    _in_step: bool

    def transaction(self) -> AbstractContextManager[None]: ...


P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=_Stepping)


def step(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Run *method* as part of the open transaction, or as one of its own; sqlite3's errors become ours."""

    @functools.wraps(method)
    def run(store: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if not store._in_step:
            with store.transaction():
                return method(store, *args, **kwargs)
        # SQLite itself undoes a transaction that met a full disk; what follows must not be committed alone.
        if not store._db.in_transaction:
            raise StoreError(f"{store._path}: the transaction was undone by an earlier error")
        try:
            return method(store, *args, **kwargs)
        except sqlite3.Error as ex:
            raise refusal(ex, store._path) from ex

    return run
