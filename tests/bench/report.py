"""What a benchmark found, as an aligned table that is also Markdown."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Report:
    """One benchmark's result. ``how`` says in a paragraph what was done, so that the table can be read alone."""

    title: str
    how: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    #: File name → SVG document, of what ``how`` shows.
    pictures: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"## {self.title}", self.how, table(self.header, self.rows)]
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with columns as wide as their widest cell; figures stand to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(header))]
    right = [column > 0 and all(row[column][:1].isdigit() or not row[column] for row in rows) for column in
             range(len(header))]  # fmt: skip

    def draw(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = [
        ("-" * (width - 1) + ":") if to_right else "-" * width for width, to_right in zip(widths, right, strict=True)
    ]
    return "\n".join([draw(lines[0]), f"| {' | '.join(rule)} |", *map(draw, lines[1:])])


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Return the median of repeated measurements with the least and the greatest."""
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}"
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def tell(text: str) -> None:
    """Say on stderr what is going on."""
    print(f"  {text}", file=sys.stderr, flush=True)
