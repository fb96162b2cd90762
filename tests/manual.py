"""Reads the manual as its readers do: pages, headings, links, blocks and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: Stands before a YAML block that is not callrouter's configuration.
NOT_OURS = "<!-- not a configuration -->"
#: How a paragraph begins that says which file the block below it is.
_PATH = re.compile(r"`([\w/-]+\.(?:py|ics|txt|yaml))`")


@dataclass(frozen=True)
class Block:
    """One fenced block; ``table`` has the rows of a table that follows it at once."""

    page: Path
    line: int
    language: str
    text: str
    ours: bool
    table: tuple[tuple[str, ...], ...] = ()

    def __str__(self) -> str:
        return f"{named(self.page)}:{self.line}"


def named(page: Path) -> str:
    """Return the page's path as people write it."""
    return page.relative_to(ROOT).as_posix()


@cache
def tokens(page: Path) -> list[Token]:
    """Return the page, parsed."""
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def blocks(language: str) -> Iterator[Block]:
    """Yield every fenced block of *language* in the manual."""
    for page in PAGES:
        parsed = tokens(page)
        for n, token in enumerate(parsed):
            if token.type == "fence" and token.info.split()[:1] == [language]:
                before = parsed[n - 1].content.strip() if n else ""
                part = n > 1 and _PATH.match(parsed[n - 2].content) is not None
                line = token.map[0] + 2 if token.map else 0
                ours = before != NOT_OURS and not part
                yield Block(page, line, language, token.content, ours, _table(parsed[n + 1 :]))


def _table(after: list[Token]) -> tuple[tuple[str, ...], ...]:
    if not after or after[0].type != "table_open":
        return ()
    rows: list[list[str]] = []
    for n, token in enumerate(after):
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("td_open", "th_open"):
            rows[-1].append(after[n + 1].content)
    return tuple(map(tuple, rows))


def files(page: Path) -> dict[str, str]:
    """Return path → text of every file on the page: a block whose paragraph begins with its path."""
    parsed = tokens(page)
    return {
        match[1]: token.content
        for n, token in enumerate(parsed)
        if token.type == "fence" and n > 1 and (match := _PATH.match(parsed[n - 2].content))
    }


def tables(page: Path) -> dict[str, list[tuple[str, ...]]]:
    """Return heading → the rows, without heads, of all tables that follow it."""
    found: dict[str, list[tuple[str, ...]]] = {}
    heading = ""
    for n, token in enumerate(tokens(page)):
        if token.type == "heading_open":
            heading = tokens(page)[n + 1].content
        elif token.type == "table_open":
            found.setdefault(heading, []).extend(_table(tokens(page)[n:])[1:])
    return found


def words(cell: str) -> list[str]:
    """Return what stands between backticks in a cell."""
    return re.findall(r"`([^`]*)`", cell)


def headings(page: Path) -> list[str]:
    """Return the page's headings as written."""
    parsed = tokens(page)
    return [parsed[n + 1].content for n, token in enumerate(parsed) if token.type == "heading_open"]


def anchors(page: Path) -> set[str]:
    """Return what a link can point at, as GitHub makes it of the headings."""
    made: set[str] = set()
    for heading in headings(page):
        plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        same = [anchor for anchor in made if re.fullmatch(rf"{re.escape(plain)}(-\d+)?", anchor)]
        made.add(f"{plain}-{len(same)}" if same else plain)
    return made


def links(page: Path) -> Iterator[str]:
    """Yield every address that the page links to or shows as a picture."""
    for token in tokens(page):
        for child in token.children or ():
            for name in ("href", "src"):
                if address := child.attrGet(name):
                    yield str(address)


def spans(page: Path) -> Iterator[str]:
    """Yield every text between backticks."""
    for token in tokens(page):
        yield from (child.content for child in token.children or () if child.type == "code_inline")


def fences(page: Path) -> Iterator[str]:
    """Yield the text of every fenced block."""
    yield from (token.content for token in tokens(page) if token.type == "fence")
