"""Numbers that generator, receiver and benchmark see at the same time, without asking each other: a shared page."""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path


class Counters:
    """Named 64-bit counters in a small file; each has one writer."""

    NAMES = ("sent", "accepted", "arrived")

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 8 * len(self.NAMES))
        self._values = memoryview(self._page).cast("q")

    @classmethod
    def create(cls, folder: Path) -> tuple[Path, Counters]:
        """Make a new file of counters, all zero, in *folder*."""
        with tempfile.NamedTemporaryFile(dir=folder, prefix="counters-", delete=False) as file:
            file.write(bytes(8 * len(cls.NAMES)))
        path = Path(file.name)
        return path, cls(path)

    @property
    def values(self) -> memoryview:
        """The numbers, in the order of ``NAMES``; writable."""
        return self._values

    @property
    def sent(self) -> int:
        """Events the generator has sent."""
        return int(self._values[0])

    @property
    def accepted(self) -> int:
        """Events that were answered with 200."""
        return int(self._values[1])

    @property
    def arrived(self) -> int:
        """Different events that the receiver has got and answered with a 2xx."""
        return int(self._values[2])
