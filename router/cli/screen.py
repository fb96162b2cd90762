"""What people see: aligned tables, ages, and colours only where a terminal shows them."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import click

from router import clock
from router.units import spell

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

#: Wide enough that a table in a pipe is never cut.
_PIPE_WIDTH = 100_000

#: A cell is its text, or its text and a style of rich.
Cell = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Of those with the lowest ``keep``, the last is left out first where a terminal is too narrow."""

    title: str
    right: bool = False
    keep: int = 9
    #: Long texts go on in the next line instead of being cut.
    fold: bool = False


def console() -> Console:
    """Return the console for stdout: plain and as wide as it takes in a pipe, NO_COLOR respected."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(width=width, color_system="auto" if colour() else None, highlight=False, markup=False, emoji=False)


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, indent: int = 0) -> None:
    """Print *rows* under their titles, aligned, on stdout."""
    from rich.table import Table
    from rich.text import Text

    screen = console()
    cells = [[_cell(cell) for cell in row] for row in rows]
    shown = _fitting(columns, cells, screen.width - indent)
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", collapse_padding=True)
    for place in shown:
        column = columns[place]
        grid.add_column(
            column.title.upper(),
            justify="right" if column.right else "left",
            no_wrap=not column.fold,
            overflow="fold" if column.fold else "ellipsis",
        )
    for row in cells:
        grid.add_row(*(Text(row[place][0], style=row[place][1]) for place in shown))
    with screen.capture() as captured:
        screen.print(grid)
    for line in captured.get().splitlines():
        say(" " * indent + line.rstrip())


def _cell(cell: Cell) -> tuple[str, str]:
    text, style = (cell, "") if isinstance(cell, str) else cell
    return safe(text), style


def _fitting(columns: Sequence[Column], rows: Sequence[Sequence[tuple[str, str]]], width: int) -> list[int]:
    from rich.cells import cell_len

    #: A folding column needs no more than this to stay readable.
    readable = 24
    needs = []
    for place, column in enumerate(columns):
        widest = max([cell_len(column.title), *(cell_len(row[place][0]) for row in rows)])
        needs.append((min(widest, readable) if column.fold else widest) + 2)
    shown = list(range(len(columns)))
    while len(shown) > 1 and sum(needs[place] for place in shown) - 2 > width:
        least = min(columns[place].keep for place in shown)
        if least >= 9:
            break
        shown.remove(max(place for place in shown if columns[place].keep == least))
    return shown


def say(text: str = "") -> None:
    """Print one line of data on stdout; click takes the colours out where no terminal shows them."""
    click.echo(text)


def paragraph(text: str, *, hanging: int) -> None:
    """Print *text*, broken into lines that are easy to read, all but the first indented by *hanging*."""
    width = min(console().width, 100)
    say(
        textwrap.fill(
            safe(text), width, subsequent_indent=" " * hanging, break_long_words=False, break_on_hyphens=False
        )
    )


def wrapped(text: str, indent: int) -> list[str]:
    """Return *text* in lines that fit a terminal behind *indent* columns; in a pipe it is one line."""
    width = max(20, console().width - indent)
    return textwrap.wrap(safe(text), width, break_long_words=False, break_on_hyphens=False) or [""]


def talk(text: str) -> None:
    """Print one line for the person alone, on stderr."""
    click.echo(text, err=True)


def emit(document: Any) -> None:
    """Print *document* as one line of JSON on stdout."""
    click.echo(json.dumps(document, default=str))


def paint(text: str, style: str) -> str:
    """Return *text* in a colour of click's (``red``, ``green``, ``yellow``), where stdout shows colours."""
    return click.style(text, fg=style) if colour() else text


def colour(*, err: bool = False) -> bool:
    """Return whether stdout (or stderr) shows colours: a terminal that can, and no NO_COLOR (https://no-color.org)."""
    stream = sys.stderr if err else sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def safe(text: str) -> str:
    """Return *text* with everything that could steer a terminal made visible: a caller chooses its own name."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def age(moment: float | None, now: float) -> str:
    """Return how long ago *moment* was, in one unit: ``4m ago``, ``in 2h``, ``now``."""
    if moment is None:
        return "never"
    seconds = round(now - moment)
    if seconds == 0:
        return "now"
    unit = spell(abs(seconds)).split()[0]
    return f"{unit} ago" if seconds > 0 else f"in {unit}"


def when(moment: float | None, zone: tzinfo, now: float) -> str:
    """Return *moment* on the wall clock of *zone*, as short as *now* allows."""
    if moment is None:
        return ""
    local, today = clock.local(moment, zone), clock.local(now, zone)
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%d %b %H:%M}" if local.year == today.year else f"{local:%Y-%m-%d}"


def moment_in_full(moment: float | None, zone: tzinfo, now: float) -> str:
    """Return *moment* with date, zone and age."""
    if moment is None:
        return "–"
    local = clock.local(moment, zone)
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d} {local:%Z} ({age(moment, now)})"


def stamp(moment: float | None) -> str | None:
    """Return *moment* as JSON has it: ISO 8601 in UTC, or null."""
    return None if moment is None else clock.text(moment)


def count(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 delivery``, ``2 deliveries``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: float) -> str:
    """Return *number* of bytes as people say it: ``12 KiB``, ``3.4 GiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.1f} {unit}".replace(".0 ", " ")
        number /= 1024
    return f"{number:.1f} TiB"


#: How a delivery's state looks.
_STATES = {"delivered": "green", "dead": "red", "expired": "yellow", "held": "yellow", "leased": "cyan"}


def state(word: str) -> Cell:
    """Return the cell of a delivery's state."""
    return word, _STATES.get(word, "")


def pairs(lines: Sequence[tuple[str, str]], *, indent: int = 0) -> None:
    """Print names and values, aligned."""
    widest = max((len(name) for name, _ in lines), default=0)
    for name, value in lines:
        say(f"{' ' * indent}{safe(name):<{widest}}  {safe(value)}".rstrip())


def body(raw: bytes) -> None:
    """Print what a sender sent: JSON with one field a line, anything else as it came."""
    try:
        text = json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except ValueError:
        text = raw.decode("utf-8", "backslashreplace")
    say(safe_lines(text))


def safe_lines(text: str) -> str:
    """Return *text* like ``safe``, with its line ends."""
    return "\n".join(safe(line) for line in text.split("\n"))


def end(*, found: bool, wanted: int | None, what: str, none: str | None = None) -> int:
    """Say so where nothing was *found* to print, and return the exit code: 3 when one was *wanted* by its number.

    *none* is what to say where there is nothing at all.
    """
    if found:
        return 0
    if wanted is not None:
        talk(f"callrouter: there is no {what} {wanted}.")
        return 3
    talk(none or f"No {what} fits.")
    return 0


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a long piece of work is, on stderr and only on a terminal; call what is yielded with each step."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        work = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(work, steps)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """As ``progress``, for work in stages: call what is yielded with a stage, what is done of it, and what there is."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def told(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        yield told


def agreed(question: str, *, yes: bool) -> bool:
    """Ask *question*, unless *yes*; raises click.UsageError where nobody can answer."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here; say --yes.")
    if click.confirm(question, err=True):
        return True
    talk("Nothing was changed.")
    return False
