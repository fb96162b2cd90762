"""Where in the file a character of a text stands, in whatever style the text is written there.

YAML folds lines and knows escapes, but it never moves a character past another: what is no space in the text stands
in the same order in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from router.config.located import Text
from router.config.problems import Place, Problems

_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.)|$)")
#: The escapes of double quotes that stand for no space.
_NO_SPACES = {'"': '"', "/": "/", "\\": "\\", "0": "\0", "a": "\a", "b": "\b", "e": "\x1b"}
#: What may stand between the beginning of a value and its text: an anchor, a tag.
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")


def place_in(text: Text, offset: int, width: int, problems: Problems) -> Place | None:
    """Return where the *width* characters at *offset* of *text* stand in the file; None when a variable brought them.

    Where the file cannot be followed, it is where the text begins.
    """
    written = _in_file(text, offset, width)
    if written is None:
        return None
    before = sum(not char.isspace() for char in text.written[:written])
    wanted = [char for char in text.written[written : written + width] if not char.isspace()]
    found: list[tuple[int, int]] = []
    for number, (line, column, char) in enumerate(_characters(text, problems)):
        if number < before:
            continue
        if len(found) == len(wanted) or char != wanted[len(found)]:
            break
        found.append((line, column))
    if not found or len(found) < len(wanted):
        return text.place
    (line, column), (last_line, last_column) = found[0], found[-1]
    return Place(line, column, last_column - column + 1 if line == last_line else 1, text.place.file)


def _in_file(text: Text, offset: int, width: int) -> int | None:
    """Return where in what is written the characters at *offset* are, which stand in the text with variables."""
    if text.written == str(text):
        return offset
    word = re.compile(rf"(?<!\w){re.escape(text[offset : offset + width])}(?!\w)")
    here, there = ([match.start() for match in word.finditer(one)] for one in (str(text), text.written))
    return there[here.index(offset)] if len(here) == len(there) and offset in here else None


def _characters(text: Text, problems: Problems) -> Iterator[tuple[int, int, str]]:
    """Yield what is no space in *text*, in the file's order, each with its line and column."""
    line, column = text.place.line, text.place.column - 1
    if text.style in ("|", ">"):
        line, column = line + 1, 0
    elif (first := _PROPERTIES.match(problems.text(line, text.place.file) or "", column)) is not None:
        column = first.end() + (text.style in ("'", '"'))
    while (raw := problems.text(line, text.place.file)) is not None:
        while column < len(raw):
            char, length = raw[column], 1
            if text.style == '"' and char == "\\" and (escape := _ESCAPE.match(raw, column)):
                char, length = _escaped(escape), len(escape[0])
            elif text.style == "'" and raw.startswith("''", column):
                length = 2
            if not char.isspace():
                yield line, column + 1, char
            column += length
        line, column = line + 1, 0


def _escaped(escape: re.Match[str]) -> str:
    """Return the character an escape stands for; a space stands for everything that is none to see."""
    code = escape[1] or escape[2] or escape[3]
    if code:
        return chr(int(code, 16))
    return _NO_SPACES.get(escape[4] or "", " ")
