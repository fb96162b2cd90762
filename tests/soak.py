"""The trials of tests/acceptance at length: ``python -m tests.soak [--scale N] [--write]``.

Progress goes to stderr, two tables to stdout: what was done to callrouter and what it lost, and what was broken on
purpose and noticed. ``--write`` also puts them into docs/guarantees.md.
"""

from __future__ import annotations

import argparse
import os
import re
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.acceptance.trial import SOAK, Finding
from tests.bench.report import table

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "guarantees.md"
BEGIN, END = "<!-- soak -->", "<!-- /soak -->"


class Soak:
    """What the tests of one run are told, and tell."""

    def __init__(self, scale: int) -> None:
        self.scale = scale
        self.findings: list[tuple[str, Finding]] = []
        #: What was broken, what was noticed, by which test.
        self.caught: list[tuple[str, str, str]] = []

    def pytest_configure(self, config: pytest.Config) -> None:
        """Let the tests find this."""
        config.stash[SOAK] = self

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the tests that count nothing."""
        items[:] = [item for item in items if {"tell", "caught"} & set(getattr(item, "fixturenames", ()))]

    def text(self, seconds: float) -> str:
        """Both tables, in Markdown."""
        done = [
            (what, *(f"{number:,}" for number in _numbers(finding)), finding.note) for what, finding in self.findings
        ]
        everything = [sum(column) for column in zip(*(_numbers(finding) for _, finding in self.findings), strict=True)]
        done.append(("all", *(f"{number:,}" for number in everything), ""))
        header = ("what was done", "kills", "faults", "answered with 200", "lost", "duplicates", "out of order", "and")
        broken = [(what, _escaped(fault), f"`{test}`") for what, fault, test in self.caught]
        return (
            f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores in {seconds / 60:.0f} minutes, "
            f"`python -m tests.soak --scale {self.scale}`:\n\n"
            f"{table(header, done)}\n\n"
            f"Broken on purpose, each in a run of its own:\n\n"
            f"{table(('what was broken', 'what was noticed', 'by'), broken)}\n"
        )


def _numbers(finding: Finding) -> tuple[int, ...]:
    return finding.kills, finding.injected, finding.accepted, finding.lost, finding.duplicates, finding.unordered


def _escaped(fault: str) -> str:
    """The first words of a fault, as a cell."""
    words = fault.partition(", such as")[0].partition("; last")[0]
    return textwrap.shorten(words.replace("|", "/"), 90, placeholder=" …")


def write(text: str) -> None:
    """Replace what stands between the markers of the page."""
    page = PAGE.read_text(encoding="utf-8")
    old = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    PAGE.write_text(old.sub(lambda _: f"{BEGIN}\n{text}{END}", page), encoding="utf-8")


def main() -> int:
    """Run everything, print the tables, and return pytest's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--scale", type=int, default=10, help="how many times as much as `make check` (default: 10)")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    soak = Soak(arguments.scale)
    began = time.monotonic()
    code = pytest.main(["-p", "no:cacheprovider", "-m", "slow", "-v", str(ROOT / "tests" / "acceptance")], [soak])
    text = soak.text(time.monotonic() - began)
    print(text)
    if arguments.write and code == 0:
        write(text)
    return int(code)


if __name__ == "__main__":
    raise SystemExit(main())
