"""Mistakes and test results in the forms that build servers read: GitHub's workflow commands, and JUnit's XML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli import screen
from router.errors import Problem, RouterError

if TYPE_CHECKING:
    from router.proving import Verdict


def annotate(problems: Sequence[Problem], verdicts: Sequence[Verdict] = ()) -> None:
    """Print one workflow command for each problem and each test that failed.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    for problem in problems:
        hint = f"; {problem.hint}" if problem.hint else ""
        screen.say(_command(problem.severity, problem.file, problem.line, problem.column, problem.text + hint))
    for verdict in verdicts:
        test = verdict.test
        if not verdict.passed:
            text = "\n".join((f'test "{test.name}" failed', *verdict.differences))
            screen.say(_command("error", test.file, test.line, test.column, text))


def _command(kind: str, file: str, line: int, column: int, text: str) -> str:
    return f"::{kind} file={_property(file)},line={line},col={column}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def write_junit(file: Path, config: Path, verdicts: Sequence[Verdict]) -> None:
    """Write the results to *file*; raises RouterError where that cannot be done."""
    from xml.etree import ElementTree

    failed = sum(not verdict.passed for verdict in verdicts)
    root = ElementTree.Element("testsuites")
    counts = {"tests": str(len(verdicts)), "failures": str(failed), "errors": "0", "skipped": "0"}
    suite = ElementTree.SubElement(root, "testsuite", {"name": screen.safe(str(config)), **counts})
    for verdict in verdicts:
        test = verdict.test
        names = {"classname": screen.safe(str(config)), "name": screen.safe(test.name)}
        place = {"file": screen.safe(test.file), "line": str(test.line)}
        case = ElementTree.SubElement(suite, "testcase", names | place)
        if not verdict.passed:
            lines = list(map(screen.safe, verdict.differences))
            ElementTree.SubElement(case, "failure", {"message": lines[0]}).text = "\n".join(lines)
    ElementTree.indent(root)
    try:
        ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
    except OSError as ex:
        raise RouterError(f"the test results cannot be written to {file}: {ex.strerror or ex}") from None
