"""The bell between ingest and worker: one byte into a named pipe says that there is something to route."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class Bell:
    """Rings for the worker, wherever it is; nobody listening is no error, for the worker reads the inbox at start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pipe: int | None = None

    def ring(self) -> None:
        """Return at once, whether or not anybody heard."""
        # A worker that came back may have made the pipe anew: the second try opens that one.
        for _ in range(2):
            try:
                if self._pipe is None:
                    self._pipe = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                os.write(self._pipe, b"!")
            except BlockingIOError:
                # Full of rings that were not answered yet: the worker will wake all the same.
                return
            except OSError:
                self.close()
            else:
                return

    def close(self) -> None:
        """Let go of the pipe."""
        if self._pipe is not None:
            with suppress(OSError):
                os.close(self._pipe)
            self._pipe = None
