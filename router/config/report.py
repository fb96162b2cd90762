"""Problems as text: what the command line, the log at start and the answer to a reload all show."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from router.errors import Problem

_RED, _YELLOW, _BOLD, _DIM, _OFF = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"
#: A line longer than this is shown around its fault only.
_MAX_EXCERPT = 140


def render(problems: Iterable[Problem], colour: bool = False) -> str:
    """Return *problems*, each with its line of the file and a caret, and their number at the end."""
    problems = list(problems)
    parts = [_one(problem, colour) for problem in problems]
    return "\n".join([*parts, summary(problems)])


def summary(problems: Iterable[Problem]) -> str:
    """Return how many problems there are: ``2 errors, 1 warning``."""
    severities = [problem.severity for problem in problems]
    counts = [(severities.count(kind), kind) for kind in ("error", "warning")]
    return ", ".join(f"{count} {kind}{'s' if count != 1 else ''}" for count, kind in counts if count) or "no problems"


def _one(problem: Problem, colour: bool) -> str:
    word = "" if problem.severity == "error" else f"{problem.severity}: "
    place = f"{problem.file}:{problem.line}:{problem.column}:"
    hint = f"; {problem.hint}" if problem.hint else ""
    if colour:
        paint = _RED if problem.severity == "error" else _YELLOW
        place, word = f"{_BOLD}{place}{_OFF}", f"{paint}{word}{_OFF}" if word else ""
        head = f"{place} {word}{paint}{problem.text}{_OFF}{hint}"
    else:
        head = f"{place} {word}{problem.text}{hint}"
    if problem.excerpt is None:
        return head
    excerpt, column = _cut(problem.excerpt, problem.column)
    number = f"{problem.line:>5}"
    # Tabs stay tabs and wide characters count twice, so that the caret stands below the fault on a terminal.
    lead = "".join("\t" if char == "\t" else " " * _cells(char) for char in excerpt[: column - 1])
    fault = excerpt[column - 1 : column - 1 + problem.width]
    caret = "^" * max(sum(map(_cells, fault)), 1)
    if colour:
        number, caret = f"{_DIM}{number}{_OFF}", f"{paint}{caret}{_OFF}"
    return f"{head}\n{number} | {excerpt}\n      | {lead}{caret}"


def _cut(excerpt: str, column: int) -> tuple[str, int]:
    if len(excerpt) <= _MAX_EXCERPT:
        return excerpt, column
    start = max(0, min(column - 1 - _MAX_EXCERPT // 3, len(excerpt) - _MAX_EXCERPT))
    cut = excerpt[start : start + _MAX_EXCERPT]
    return ("…" + cut, column - start + 1) if start else (cut, column)


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
