"""Jobs and outcomes on a stream socket: frames of length-prefixed marshal, many rows to a frame.

marshal is the fastest of Python's formats and is no format for strangers: both ends are processes of one daemon, of
the same interpreter.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

from router.sender import Job, Outcome

Row = TypeVar("Row", Job, Outcome)

_PREFIX = 4


def encode(rows: Sequence[Job] | Sequence[Outcome]) -> bytes:
    """Return one frame with *rows*."""
    content = marshal.dumps([tuple(row) for row in rows])
    return len(content).to_bytes(_PREFIX, "big") + content


class Decoder(Generic[Row]):
    """Takes what a socket gives, in whatever pieces, and gives the rows back: ``Decoder(Outcome)``."""

    def __init__(self, kind: type[Row]) -> None:
        self._make: Any = kind._make
        self._pieces = bytearray()

    def feed(self, piece: bytes) -> list[Row]:
        """Return the rows that *piece* completes, in the order they were sent."""
        self._pieces += piece
        rows: list[Row] = []
        while (end := self._end()) is not None:
            # Only our own daemon writes to the other end of this socket.
            contents: Iterable[Any] = marshal.loads(bytes(self._pieces[_PREFIX:end]))  # noqa: S302 - see above
            rows.extend(map(self._make, contents))
            del self._pieces[:end]
        return rows

    def _end(self) -> int | None:
        if len(self._pieces) < _PREFIX:
            return None
        end = _PREFIX + int.from_bytes(self._pieces[:_PREFIX], "big")
        return end if len(self._pieces) >= end else None
