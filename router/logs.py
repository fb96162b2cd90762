"""One line per thing that happens: text on a terminal, JSON elsewhere.

Lines about events and deliveries come by the thousand, so they are gathered and written once a turn; everything else
goes through ``logging`` and ends here too.
"""

from __future__ import annotations

import logging
import os
import select
import time
from typing import Any

from pydantic_core import to_json

from router import clock

_COLOURS = {"error": "\x1b[31m", "warning": "\x1b[33m", "good": "\x1b[32m", "quiet": "\x1b[2m"}
_PLAIN = "\x1b[0m"
#: A write of this size to a pipe is one piece, so that lines of several processes never mix.
_PIECE = 4096
#: Milliseconds that a reader who does not read is waited for, once.
_PATIENCE = 100


class Log:
    """Writes lines for one process to standard error."""

    def __init__(self, process: str, *, descriptor: int = 2) -> None:
        self.process = process
        self._descriptor = descriptor
        self._text = os.isatty(descriptor)
        self._colour = self._text and "NO_COLOR" not in os.environ
        self._lines: list[bytes] = []
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLOUT)
        #: Pieces that could not be written.
        self._lost = 0

    def add(self, word: str, text: str, *, level: str = "info", tone: str = "", **fields: Any) -> None:
        """Keep one line for the next ``flush``.

        *word* is what happened (``event``, ``delivered``), *text* is for a person, *fields* for a program.
        """
        if self._text:
            self._lines.append(self._as_text(word, text, level, tone))
        else:
            line = {"at": round(clock.now(), 3), "level": level, "process": self.process, "what": word, **fields}
            line["text"] = text
            self._lines.append(to_json(line, fallback=str) + b"\n")

    def say(self, word: str, text: str, *, level: str = "info", tone: str = "", **fields: Any) -> None:
        """Write one line now."""
        self.add(word, text, level=level, tone=tone, **fields)
        self.flush()

    def flush(self) -> None:
        """Write every line kept so far; a reader that went away is no reason to stop working."""
        lines, self._lines = self._lines, []
        piece = b""
        for line in lines:
            if len(piece) + len(line) > _PIECE and piece:
                self._write(piece)
                piece = b""
            piece += line
        if piece:
            self._write(piece)

    def _write(self, piece: bytes) -> None:
        """Write *piece*, or count it as lost: nobody who writes a log may wait for whoever reads it."""
        if self._lost and self._is_ready(0):
            told, self._lost = self._lost, 0
            self.add("log", f"{told:,} pieces of this log are missing: nobody could read or keep them", level="warning")
            self._lines, missing = [], b"".join(self._lines)
            piece = missing + piece
        for start in range(0, len(piece), _PIECE):
            if not self._is_ready(0 if self._lost else _PATIENCE):
                self._lost += 1
                return
            try:
                os.write(self._descriptor, piece[start : start + _PIECE])
            except OSError:
                self._lost += 1
                return

    def _is_ready(self, patience: int) -> bool:
        try:
            # A pipe is ready when it takes a whole piece at once; files always are.
            return bool(self._ready.poll(patience))
        except OSError:
            return False

    def _as_text(self, word: str, text: str, level: str, tone: str) -> bytes:
        tone = level if level in ("error", "warning") else tone
        before, after = (_COLOURS[tone], _PLAIN) if self._colour and tone else ("", "")
        return f"{time.strftime('%H:%M:%S')} {before}{word:<10}{after} {text}\n".encode()


class _Handler(logging.Handler):
    """Brings the lines of ``logging`` into the same form."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        self._log.say(record.name.removeprefix("callrouter."), text, level=level)


def start(process: str) -> Log:
    """Return the log of this process, with ``logging`` (warnings of libraries included) flowing into it."""
    log = Log(process)
    root = logging.getLogger()
    root.handlers[:] = [_Handler(log)]
    root.setLevel(logging.WARNING)
    logging.getLogger("callrouter").setLevel(logging.INFO)
    return log
