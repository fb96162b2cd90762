"""The tree says what the house rules say: small modules, plain names, a page and a test for every plugin."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from router import __version__

ROOT = Path(__file__).parent.parent
#: Alarms, not laws: something this long usually has two reasons to change.
MODULE_LINES, FUNCTION_LINES, PLUGIN_LINES, TEST_LINES = 400, 60, 150, 500
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "handler", "types"}

CODE = sorted([*(ROOT / "router").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])
TESTS = sorted((ROOT / "tests").rglob("*.py"))
#: A file, or a folder of files, each.
PLUGINS = sorted(
    [*(ROOT / "plugins").glob("[a-z]*.py"), *(each.parent for each in (ROOT / "plugins").glob("*/__init__.py"))]
)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", CODE, ids=named)
def test_a_module_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES
    assert [(name, lines) for name, lines in functions(path) if lines > FUNCTION_LINES] == []


@pytest.mark.parametrize("path", TESTS, ids=named)
def test_a_test_file_has_one_subject(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= TEST_LINES


@pytest.mark.parametrize("path", CODE, ids=named)
def test_a_module_is_named_for_what_it_does(path: Path) -> None:
    assert FORBIDDEN.isdisjoint(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", PLUGINS, ids=named)
def test_a_plugin_is_small_and_has_its_page_and_its_test(path: Path) -> None:
    for part in path.glob("*.py") if path.is_dir() else [path]:
        assert len(part.read_text(encoding="utf-8").splitlines()) <= PLUGIN_LINES
    assert (ROOT / "docs" / "plugins" / f"{path.stem}.md").is_file()
    assert (ROOT / "tests" / "plugins" / f"test_{path.stem}.py").is_file()


def test_the_newest_heading_of_the_changelog_is_the_version() -> None:
    changelog = (ROOT / "docs" / "changelog.md").read_text(encoding="utf-8")

    newest = re.search(r"^## \[?(\d+\.\d+\.\d+)", changelog, re.MULTILINE)

    assert newest is not None
    assert newest[1] == __version__


def test_the_contributing_page_shows_the_layers_that_are_enforced() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = next(
        contract for contract in settings["tool"]["importlinter"]["contracts"] if contract["type"] == "layers"
    )
    contributing = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    shown = next(block for block in contributing.split("```") if block.startswith("text\n__main__"))

    assert [re.split(r"\s{2,}", line)[0] for line in shown.splitlines()[1:]] == layers["layers"]


def test_the_contributing_page_names_every_dependency() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [settings["project"]["dependencies"], *settings["dependency-groups"].values()]
    contributing = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    names = {re.split(r"[<>=!\[ ]", dependency)[0] for group in groups for dependency in group}

    assert {name for name in names if name not in contributing} == set()


_SILENCE = re.compile(r"#\s*(?:type: ignore(?:\[[\w-]+\])?|noqa(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?)(?P<reason>.*)")


@pytest.mark.parametrize("path", CODE, ids=named)
def test_silence_has_its_reason_beside_it(path: Path) -> None:
    bare, above = [], ""
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _SILENCE.search(line)
        # On the line itself, in a comment right above it, or with the first of several.
        if match and not (match["reason"].strip() or above.lstrip().startswith("#") or _SILENCE.search(above)):
            bare.append(line)
        above = line

    assert bare == []
