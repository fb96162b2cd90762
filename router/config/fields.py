"""Taking known keys out of a block, and reporting every key that is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, overload

from router.config.located import Block, Items, Text, Value
from router.config.problems import Problems, guess, nearest
from router.config.scalars import word

T = TypeVar("T")
D = TypeVar("D")


class Fields:
    """The keys of one block. ``where`` names the block in messages: ``rule "missed-sales-calls"``."""

    def __init__(
        self,
        block: Block,
        problems: Problems,
        *,
        where: str = "",
        known: Iterable[str],
        not_built: Mapping[str, str] | None = None,
        misplaced: Mapping[str, str] | None = None,
    ) -> None:
        self._block = block
        self._problems = problems
        self._where = where
        known = tuple(known)
        self._mistyped = set()
        for name in block:
            if name in known:
                continue
            if not_built and name in not_built:
                problems.error(block.key(name), f'"{name}"{self._inside} is not built yet', not_built[name])
            elif misplaced and name in misplaced:
                problems.error(block.key(name), f'unknown key "{name}"{self._inside}', misplaced[name])
            else:
                problems.error(block.key(name), f'unknown key "{name}"{self._inside}', guess(name, known))
                self._mistyped.add(nearest(name, known))

    @property
    def _inside(self) -> str:
        return f" in {self._where}" if self._where else ""

    def value(self, name: str) -> Value | None:
        """Return what stands under *name*, or None where it is absent, empty (reported) or unset (reported before)."""
        value = self._block.get(name)
        if isinstance(value, Text) and value.unset:
            return None
        if isinstance(value, Text) and value.null:
            self._problems.error(self.key(name), f'"{name}"{self._inside} has no value', "give one, or remove the key")
            return None
        return value

    def key(self, name: str) -> Text:
        """Return the key *name* as it stands in the file, for messages."""
        return self._block.key(name)

    def require(self, name: str, at: object, hint: str) -> bool:
        """Report at *at* when *name* is absent; return whether it is there."""
        if name not in self._block and name not in self._mistyped:
            self._problems.error(at, f'"{name}" is missing{self._inside}', hint)
        return name in self._block

    @overload
    def read(self, name: str, reader: Callable[[str], T]) -> T | None: ...
    @overload
    def read(self, name: str, reader: Callable[[str], T], default: D) -> T | D: ...
    def read(self, name: str, reader: Callable[[str], T], default: Any = None) -> Any:
        """Return what *reader* makes of the scalar under *name*; its ValueError is reported there."""
        value = self.value(name)
        if value is None:
            return default
        return read_scalar(name, value, reader, self._problems, default)

    def each(self, name: str, reader: Callable[[str], T]) -> list[T]:
        """Return what *reader* makes of each entry of the list under *name*; a scalar counts as a list of one."""
        return [found for value in self.entries(name) if (found := self._one(name, value, reader)) is not None]

    def entries(self, name: str) -> list[Any]:
        """Return the entries of the list under *name* (a scalar counts as a list of one) as they stand in the file."""
        value = self.value(name)
        if value is None:
            return []
        if isinstance(value, Items):
            if not value:
                self._problems.error(
                    self.key(name), f'"{name}" is an empty list', "name at least one, or remove the key"
                )
            return list(value)
        return [value]

    def _one(self, name: str, value: Value, reader: Callable[[str], T]) -> T | None:
        return read_scalar(name, value, reader, self._problems, None)

    def block(self, name: str, known: Iterable[str] = ()) -> Block | None:
        """Return the block under *name*; *known* are the keys it may have, for the message where it is none."""
        value = self.value(name)
        if value is None or isinstance(value, Block):
            return value
        hint = f"write {name}: {{key: value}}"
        if keys := tuple(known):
            hint = f"write {name}: {{{keys[0]}: …}}" + (f"; its keys are {', '.join(keys)}" if keys[1:] else "")
        self._problems.error(value, f'"{name}"{self._inside} needs a block of keys', hint)
        return None

    def inner(self, name: str, known: Iterable[str]) -> Fields | None:
        """Return the keys of the block under *name*."""
        known = tuple(known)
        block = self.block(name, known)
        if block is None:
            return None
        where = f'"{name}" of {self._where}' if self._where else f'"{name}"'
        return Fields(block, self._problems, where=where, known=known)


def read_scalar(name: str, value: Value, reader: Callable[[str], T], problems: Problems, default: D) -> T | D:
    """Return what *reader* makes of *value*, or *default* after reporting why that cannot be."""
    if not isinstance(value, Text):
        shape = "a list" if isinstance(value, Items) else "a block"
        problems.error(value, f'"{name}" takes a single value, not {shape}')
        return default
    if value.unset:
        return default
    if value.null:
        problems.error(value, f'"{name}" has no value', "give one, or remove the key")
        return default
    try:
        return reader(str(value))
    except ValueError as ex:
        problems.error(value, f"{name}: {ex}")
        return default


def check_name(kind: str, key: Text, problems: Problems) -> None:
    """Report a key that cannot be the name of a source or destination."""
    if key.null:
        problems.error(key, f'"{key}" cannot be the name of a {kind}', "call it something else")
    else:
        read_scalar(kind, key, word, problems, None)
