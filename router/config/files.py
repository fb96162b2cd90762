"""The files that make up one configuration: each is read once, and remembered."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a configuration was read from, secrets in files included: never to be shown or written down.

    The same configuration can be read from it again, in another process, whatever has become of the files since.
    """

    #: Absolute path → content.
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    #: Absolute path of a folder → the paths of the files in it, sorted.
    folders: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)


class TooLarge(Exception):
    """A file is larger than anything of its kind."""


class Files:
    """Reads from disk and remembers what it read; with *kept*, reads what was remembered and nothing else."""

    def __init__(self, kept: Snapshot | None = None) -> None:
        self._kept = kept
        self.read_so_far = Snapshot()
        self._digests: dict[str, bytes] = {}

    def content(self, path: Path, most_bytes: int, *, secret: bool = False) -> bytes:
        """Return what is in the file; raises OSError, ValueError (a path that cannot be one) and TooLarge.

        What is *secret* has no part in ``version``, which everybody may see.
        """
        name = str(path.absolute())
        if name not in self.read_so_far.files:
            self.read_so_far.files[name] = self._read(path, name, most_bytes)
        content = self.read_so_far.files[name]
        if len(content) > most_bytes:
            raise TooLarge
        if not secret and name not in self._digests:
            self._digests[name] = hashlib.sha256(content).digest()
        return content

    @property
    def remembered(self) -> bool:
        """Whether this reads what was remembered, not what is on disk."""
        return self._kept is not None

    @property
    def version(self) -> str:
        """A digest of the files read so far, in that order, secrets excepted; of a single file it is the file's own."""
        digests = list(self._digests.values())
        return (digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()).hex()[:12]

    def is_folder(self, path: Path) -> bool:
        """Return whether *path* is a folder; raises OSError and ValueError."""
        return path.is_dir() if self._kept is None else str(path.absolute()) in self._kept.folders

    def listing(self, folder: Path, patterns: Sequence[str]) -> list[Path]:
        """Return the files in *folder* that are named like one of *patterns*, sorted; raises OSError and ValueError."""
        name = str(folder.absolute())
        if name not in self.read_so_far.folders:
            if self._kept is not None:
                found = self._kept.folders[name]
            else:
                paths = (path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
                found = tuple(sorted({str(path.absolute()) for path in paths if not path.name.startswith(".")}))
            self.read_so_far.folders[name] = found
        return [Path(path) for path in self.read_so_far.folders[name]]

    def _read(self, path: Path, name: str, most_bytes: int) -> bytes:
        if self._kept is not None:
            if name not in self._kept.files:
                raise FileNotFoundError(f"{path} was not part of this configuration")
            return self._kept.files[name]
        with path.open("rb") as file:
            return file.read(most_bytes + 1)
