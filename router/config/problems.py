"""Mistakes and doubts, gathered while a configuration is read, each with its place and its line of the file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from router.errors import ConfigError, Problem

#: Keys that usually hold a secret, with a value that is not merely the name of a variable. Where a file cannot be
#: understood, nothing else tells its secrets from the rest.
_SUSPECTS = re.compile(
    r"""(?:token|secret|password|key|url|value|webhooks|proxy)["']?\s*:\s+("[^"]*"?|'[^']*'?|[^\s,}\]#{\["'$][^\s,}\]]*)""",
    re.IGNORECASE,
)

#: YAML's own line breaks, so that our lines are the parser's lines.
BREAKS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


class Place(NamedTuple):
    """Where something stands: line and column from 1, and how many characters of that line it has."""

    line: int
    column: int
    width: int = 1
    #: Which of the configuration's files; empty for the first.
    file: str = ""


@dataclass(frozen=True, slots=True)
class _Finding:
    place: Place
    text: str
    hint: str | None
    severity: str


class Problems:
    """Everything found wrong with a configuration. Values that are to stay secret are covered in the excerpts."""

    def __init__(self, file: str, source: str) -> None:
        self._file = file
        #: File → its lines, in the order the files were read.
        self._lines = {"": BREAKS.split(source)}
        self._found: dict[_Finding, None] = {}
        self._hidden: set[Place] = set()
        #: How many mistakes were noted so far.
        self.errors = 0

    def know(self, file: str, source: str) -> None:
        """Take *source* for what is in *file*, for excerpts; Places in it have this ``file``."""
        self._lines[file] = BREAKS.split(source)

    def error(self, at: object, text: str, hint: str | None = None) -> None:
        """Note a mistake at *at*: a Place, or anything read from the file."""
        self.errors += 1
        self._found[_Finding(_place(at), *_discreet(at, text, hint), "error")] = None

    def warning(self, at: object, text: str, hint: str | None = None) -> None:
        """Note a doubt."""
        self._found[_Finding(_place(at), text, hint, "warning")] = None

    def hide(self, at: object) -> None:
        """Keep the text at *at* out of every excerpt, unless it only names a variable."""
        if "${" not in getattr(at, "written", ""):
            self._hidden.add(_place(at))

    def hides(self, text: object) -> bool:
        """Return whether ``hide`` was told of *text*."""
        return _place(text) in self._hidden

    def line(self, number: int, file: str = "") -> Place:
        """Return the place of what stands in a whole line."""
        line = self.text(number, file) or ""
        return Place(number, 1 + len(line) - len(line.lstrip()), max(len(line.strip()), 1), file)

    def spell(self, place: Place, *, seen_from: Place) -> str:
        """Return where *place* is, in words: ``line 12``, with its file where that is another."""
        return f"line {place.line}" if place.file == seen_from.file else f"{place.file or self._file}:{place.line}"

    def text(self, number: int, file: str = "") -> str | None:
        """Return line *number* of *file*, or None where there is none."""
        lines = self._lines.get(file, [])
        return lines[number - 1] if 0 < number <= len(lines) else None

    def has_error_in(self, line: int, file: str = "") -> bool:
        """Return whether a mistake was noted in that line."""
        return any(
            found.place.line == line and found.place.file == file and found.severity == "error" for found in self._found
        )

    def in_file_order(self) -> tuple[Problem, ...]:
        """Return everything found, file by file, first line first."""
        order = list(self._lines)
        return tuple(
            map(self._problem, sorted(self._found, key=lambda found: (order.index(found.place.file), *found.place[:2])))
        )

    def raise_errors(self) -> None:
        """Raise ConfigError with everything found when there was a mistake."""
        if self.errors:
            raise ConfigError(self.in_file_order())

    def _covered(self, excerpt: str, at: Place) -> str:
        spans = [
            (place.column - 1, place.column - 1 + place.width)
            for place in self._hidden
            if (place.line, place.file) == (at.line, at.file)
        ]
        spans += [match.span(1) for match in _SUSPECTS.finditer(excerpt) if "${" not in match[1]]
        for start, stop in spans:
            excerpt = excerpt[:start] + "*" * len(excerpt[start:stop]) + excerpt[stop:]
        return excerpt

    def _problem(self, found: _Finding) -> Problem:
        line, column, width, file = found.place
        excerpt = self.text(line, file)
        if excerpt is not None:
            excerpt = self._covered(excerpt, found.place)
            # What moves a terminal's cursor must not reach it.
            excerpt = "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in excerpt)
        return Problem(
            file or self._file, line, column, found.text, found.hint, excerpt or None, width, severity=found.severity
        )  # fmt: skip


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the one of *words* that was probably meant."""
    near = difflib.get_close_matches(word.lower(), sorted(words), 1)
    return near[0] if near else None


def guess(word: str, words: Iterable[str]) -> str:
    """Return the word that was probably meant, or else all that are allowed, as a hint."""
    allowed = sorted(words)
    near = nearest(word, allowed)
    if near:
        return f'did you mean "{near}"?'
    return f"allowed are {', '.join(allowed)}" if allowed else "there are none yet"


def _discreet(at: object, text: str, hint: str | None) -> tuple[str, str | None]:
    """Return what is said of *at*, with the variable's name in place of what it holds: that may be a secret.

    Guesses are left out, because they resemble what was guessed from.
    """
    written = getattr(at, "written", None)
    value = str(at)
    if written is None or written == value:
        return text, hint
    text = text.partition("; did you mean")[0]
    for held in filter(None, (value, value.strip())):
        text = text.replace(f'"{held}"', f'"{written}"')
        # What is shorter is part of ordinary words, and no secret.
        text = text.replace(held, written) if len(held) > 3 else text
        hint = None if hint and (held in hint or "did you mean" in hint) else hint
    return text, hint


def _place(at: object) -> Place:
    return at if isinstance(at, Place) else getattr(at, "place", Place(1, 1))
