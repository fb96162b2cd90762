"""How problems look on a terminal, in a log and in an answer."""

from __future__ import annotations

import pytest

from router.config import render
from router.config.report import summary
from router.errors import Problem

TYPO = Problem("config.yaml", 3, 5, 'unknown key "wehn"', 'did you mean "when"?', "    wehn: {missed: true}", 4)


def test_a_problem_shows_its_line_with_a_caret_under_the_fault() -> None:
    assert render([TYPO]) == (
        'config.yaml:3:5: unknown key "wehn"; did you mean "when"?\n'
        "    3 |     wehn: {missed: true}\n"
        "      |     ^^^^\n"
        "1 error"
    )


def test_a_warning_says_that_it_is_one() -> None:
    assert render([Problem("config.yaml", 1, 1, "nobody listens", severity="warning")]) == (
        "config.yaml:1:1: warning: nobody listens\n1 warning"
    )


@pytest.mark.parametrize(
    ("excerpt", "column", "lead"),
    [("\tab: c", 2, "\t"), ("日本: c", 3, "    "), ("e\u0301: c", 3, " ")],
)
def test_the_caret_stands_under_the_fault_whatever_is_before_it(excerpt: str, column: int, lead: str) -> None:
    last = render([Problem("config.yaml", 1, column, "wrong", excerpt=excerpt)]).splitlines()[2]

    assert last == f"      | {lead}^"


def test_a_long_line_is_cut_around_the_fault() -> None:
    excerpt = "x" * 500 + "fault" + "y" * 500

    _, line, caret, _ = render([Problem("config.yaml", 1, 501, "wrong", excerpt=excerpt, width=5)]).splitlines()

    assert len(line) < 160
    assert line[caret.index("^") : caret.index("^") + 5] == "fault"


def test_colour_adds_nothing_but_colour() -> None:
    coloured = render([TYPO], colour=True)

    assert "\x1b[31m" in coloured
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m"):
        coloured = coloured.replace(code, "")
    assert coloured == render([TYPO])


@pytest.mark.parametrize(
    ("severities", "text"),
    [([], "no problems"), (["error"], "1 error"), (["error", "error", "warning"], "2 errors, 1 warning")],
)
def test_problems_are_counted(severities: list[str], text: str) -> None:
    assert summary([Problem("config.yaml", 1, 1, "x", severity=severity) for severity in severities]) == text
