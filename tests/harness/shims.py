"""Small libraries that stand between a daemon and its system: compiled here, loaded before it with LD_PRELOAD."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

_SOURCES = Path(__file__).parents[1] / "acceptance" / "shims"


def compiled(name: str, folder: Path) -> Path:
    """Compile shims/*name*.c into *folder* and return the library; skip the test where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc) here to compile the shim with")
    library = folder / f"{name}.so"
    source = _SOURCES / f"{name}.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-Wall", "-o", library, source, "-ldl"], check=True)
    return library


class Page:
    """Memory that this process and a shim share: how one is told what to do while a daemon runs."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def __getitem__(self, number: int) -> int:
        return int(struct.unpack_from("=q", self._memory, 8 * number)[0])

    def __setitem__(self, number: int, value: int) -> None:
        struct.pack_into("=q", self._memory, 8 * number, value)

    def put(self, number: int, text: str) -> None:
        """Write *text*, ended by a zero, from place *number* on."""
        raw = text.encode() + b"\0"
        self._memory[8 * number : 8 * number + len(raw)] = raw
