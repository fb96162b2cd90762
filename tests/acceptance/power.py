"""A power cut, after shims/power.c has noted what no fsync covers: takes back some of it, all or nothing."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NOTE = struct.Struct("=5q")
#: A disk writes so many bytes whole or not at all.
_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Write:
    """One write, or one change of length, that may not have reached the disk."""

    offset: int
    old_size: int
    new_size: int
    old: bytes
    new: bytes

    def undo(self, content: bytearray) -> None:
        """Make *content* what it was before."""
        _resize(content, self.old_size)
        content[self.offset : self.offset + len(self.old)] = self.old

    def redo(self, content: bytearray, length: int) -> None:
        """Let the first *length* bytes of it have reached the disk."""
        if not self.new:
            _resize(content, self.new_size)
        elif length:
            _resize(content, max(len(content), self.offset + length))
            content[self.offset : self.offset + length] = self.new[:length]


def cut(log: Path, data: Path, dice: random.Random) -> Counter[str]:
    """Leave in *data* what a disk may hold after the power went; return how many writes were lost, torn and kept.

    Each file fares on its own: all that was not flushed is lost, a first part of it is kept, or any part, torn writes
    among them. A new name in a folder that was not flushed may be gone.
    """
    fate: Counter[str] = Counter()
    files = {f"{path.stat().st_ino:x}": path for path in data.rglob("*") if path.is_file()}
    for note in sorted(log.iterdir()):
        if note.name.startswith("names-"):
            _lose_names(note, dice, fate)
        elif note.name in files and (writes := list(_read(note))):
            path = files[note.name]
            content = bytearray(path.read_bytes())
            for write in reversed(writes):
                write.undo(content)
            for write, length in zip(writes, _lengths(writes, dice), strict=True):
                write.redo(content, length)
                fate["kept" if length == len(write.new) else "torn" if length else "lost"] += 1
            path.write_bytes(content)
        note.unlink()
    return fate


def _read(note: Path) -> Iterator[Write]:
    raw = note.read_bytes()
    at = 0
    while at + _NOTE.size <= len(raw):
        offset, old_size, new_size, old_length, new_length = _NOTE.unpack_from(raw, at)
        middle = at + _NOTE.size + old_length
        end = middle + new_length
        # The process was killed while it noted this one: it was never written.
        if end > len(raw):
            return
        yield Write(offset, old_size, new_size, raw[at + _NOTE.size : middle], raw[middle:end])
        at = end


def _lengths(writes: list[Write], dice: random.Random) -> Iterator[int]:
    """How many bytes of each write reached the disk."""
    way = dice.choice(("nothing", "prefix", "any"))
    kept = dice.randint(0, len(writes)) if way == "prefix" else 0
    for number, write in enumerate(writes):
        whole = len(write.new)
        if way == "any":
            yield dice.choice((0, whole, dice.randrange(0, whole + 1, _SECTOR)))
        else:
            yield whole if number < kept else 0


def _lose_names(note: Path, dice: random.Random, fate: Counter[str]) -> None:
    for line in note.read_text().splitlines():
        if dice.random() < 0.5 and Path(line).is_file():
            Path(line).unlink()
            fate["names"] += 1


def _resize(content: bytearray, size: int) -> None:
    if len(content) > size:
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))
