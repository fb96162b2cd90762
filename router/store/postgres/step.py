"""One method of the store as a durable step: part of the open transaction, or one of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Concatenate, ParamSpec, Protocol, TypeVar


class _Stepping(Protocol):
    in_step: bool

    def transaction(self) -> AbstractContextManager[None]: ...

    def write(self) -> None: ...


P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=_Stepping)


def step(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Run *method* as part of the open transaction, or as one of its own."""

    @functools.wraps(method)
    def run(store: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if store.in_step:
            return method(store, *args, **kwargs)
        with store.transaction():
            return method(store, *args, **kwargs)

    return run


def question(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """As ``step``, once all that was collected so far is written: *method* reads, or changes, the same rows."""

    @step
    @functools.wraps(method)
    def run(store: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        store.write()
        return method(store, *args, **kwargs)

    return run
