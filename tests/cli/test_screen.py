"""What people see on terminals and in pipes."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from router.cli import screen
from router.cli.screen import Column

NOW = 1_760_000_000.0
LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.3, "now"), (4, "4s ago"), (59.7, "1m ago"), (260, "4m ago"), (9000, "2h ago"), (-300, "in 5m")],
)
def test_ages_have_one_unit(seconds, text):
    assert screen.age(NOW - seconds, NOW) == text


def test_a_moment_that_never_was_has_no_age():
    assert screen.age(None, NOW) == "never"


@pytest.mark.parametrize(
    ("before", "text"), [(60, "09:52:20"), (86400 * 3, "06 Oct 09:53"), (86400 * 400, "2024-09-04")]
)
def test_moments_are_on_the_wall_clock_of_the_zone_and_as_short_as_can_be(before, text):
    assert screen.when(NOW - before, LONDON, NOW) == text


def test_a_moment_in_full_names_its_zone():
    assert screen.moment_in_full(NOW, LONDON, NOW + 60) == "2025-10-09 09:53:20.000 BST (1m ago)"
    assert screen.moment_in_full(NOW, UTC, NOW) == "2025-10-09 08:53:20.000 UTC (now)"


@pytest.mark.parametrize("text", ["\x1b[2Jgone", "\x9b2J", "a\u202eb", "a\nb", "\ud800", "\x07"])
def test_what_a_caller_chose_cannot_steer_the_terminal(text):
    assert screen.safe(text).isprintable()


def test_square_brackets_in_a_cell_are_text(capsys):
    screen.table([Column("from")], [["[red]x[/red]"]])

    assert capsys.readouterr().out == "FROM\n[red]x[/red]\n"


def test_a_table_in_a_pipe_is_aligned_whole_and_plain(capsys):
    screen.table([Column("id", right=True), Column("reason", fold=True)], [["7", ("x" * 300, "red")], ["4711", "y"]])

    assert capsys.readouterr().out == f"  ID  REASON\n   7  {'x' * 300}\n4711  y\n"


def on_a_terminal(code: str, columns: int = 80, **environ: str) -> str:
    """Return what a process that runs *code* shows on a terminal of *columns*."""
    leader, follower = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns), **environ}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=follower, stderr=follower, env=environ)
    os.close(follower)
    shown = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(leader)
    assert process.wait(30) == 0, shown
    return shown.decode().replace("\r\n", "\n")


TABLE = """
from router.cli import screen
from router.cli.screen import Column
columns = [Column("id"), Column("source", keep=1), Column("call", keep=2), Column("reason", fold=True)]
screen.table(columns, [["1", "s" * 20, "c" * 36, ("it was refused " * 9, "red")]])
"""


@pytest.mark.parametrize(
    ("columns", "titles"), [(80, "ID CALL REASON"), (60, "ID REASON"), (140, "ID SOURCE CALL REASON")]
)
def test_a_narrow_terminal_gets_the_columns_that_matter_most(columns, titles):
    lines = re.sub(r"\x1b\[[0-9;]*m", "", on_a_terminal(TABLE, columns)).splitlines()

    assert lines[0].split() == titles.split()
    assert max(map(len, lines)) <= columns
    assert "".join(lines).count("refused") == 9


FINDING = "from router.cli import screen; print(*screen.wrapped('one word after another ' * 5, 24), sep='|')"


def test_a_sentence_is_broken_between_words_on_a_terminal_and_whole_in_a_pipe(capsys):
    lines = on_a_terminal(FINDING, 60).strip().split("|")

    assert len(lines) > 2
    assert max(map(len, lines)) <= 60 - 24
    assert " ".join(lines) == ("one word after another " * 5).strip()
    assert screen.wrapped("one word after another " * 99, 24) == [("one word after another " * 99).strip()]


def test_a_terminal_sees_colours():
    assert "\x1b[31m" in on_a_terminal(TABLE)


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colours_gets_none(environ):
    assert "\x1b" not in on_a_terminal(TABLE, **environ)


def test_a_bar_is_shown_on_a_terminal_alone(capsys):
    work = "from router.cli import screen\nwith screen.progress('Recording', 2) as advance: advance(2)"

    assert "Recording" in on_a_terminal(work)
    with screen.progress("Recording", 2) as advance:
        advance(2)
    assert capsys.readouterr() == ("", "")
