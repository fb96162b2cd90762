"""Many rows in one statement: one array per column, which PostgreSQL turns into rows again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any


def plain(text: str) -> str:
    """Return *text* as PostgreSQL can keep it: it has no U+0000, which becomes U+FFFD."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


# Arrays are of one type: an int among floats, or a member of an enumeration, would be refused.
_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "text": plain,
    "float8": float,
    "smallint": int,
    "integer": int,
    "bigint": int,
    "boolean": bool,
    "bytea": bytes,
}


class Rows:
    """Rows of one shape. ``source`` is what to select from: its columns are the keywords given here."""

    def __init__(self, **types: str) -> None:
        self._converters = [_CONVERTERS[kind] for kind in types.values()]
        self.names = ", ".join(f'"{name}"' for name in types)
        arrays = ", ".join(f"%s::{kind}[]" for kind in types.values())
        self.source = f"unnest({arrays}) AS given ({self.names})"

    def arrays(self, rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
        """Return the parameters for ``source``; None stays None."""
        columns = list(zip(*rows, strict=True)) or [()] * len(self._converters)
        return [
            [None if value is None else convert(value) for value in column]
            for convert, column in zip(self._converters, columns, strict=True)
        ]
