"""Whether the disk has room for more events, looked at by a timer and never by a request."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger("callrouter.disk")

#: Seconds between two looks.
LOOK = 1.0


class Room:
    """Looks at the disk under *folder* every *look* seconds, in a thread of its own: a slow disk holds up no event.

    *least* returns how many bytes must be free; it is asked at each look. After a refusal an eighth more must be.
    """

    def __init__(self, folder: Path, least: Callable[[], int], *, look: float = LOOK) -> None:
        self._folder = folder
        self._least = least
        #: A sentence while events are to be refused, else None; read by everybody.
        self.refusal: str | None = None
        self._closing = threading.Event()
        self.check()
        threading.Thread(target=self._watch, args=(look,), name="room", daemon=True).start()

    def check(self) -> None:
        """Look now."""
        least = self._least()
        if not least:
            self._say(None)
            return
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError:
            # Whatever is wrong with the folder, the inbox meets it and says it better.
            self._say(None)
            return
        needed = least + (least // 8 if self.refusal else 0)
        if free >= needed:
            self._say(None)
        elif self.refusal is None:
            self._say(
                f"less than {least >> 20} MiB are free on the disk under {self._folder} (disk: refuse_below): events "
                "are refused with 503 until there is room; what was accepted is still delivered"
            )

    def close(self) -> None:
        """Look no more."""
        self._closing.set()

    def _say(self, refusal: str | None) -> None:
        if refusal and not self.refusal:
            log.error("%s", refusal)
        elif self.refusal and not refusal:
            log.warning("there is room on the disk under %s again: events are accepted", self._folder)
        self.refusal = refusal

    def _watch(self, look: float) -> None:
        while not self._closing.wait(look):
            self.check()
