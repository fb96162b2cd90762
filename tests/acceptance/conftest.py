"""Every trial comes from a seed; the long form (``python -m tests.soak``) makes it larger and keeps what it found."""

from __future__ import annotations

import os
import sys
import time

import pytest

from tests.acceptance.program import BREAKAGES
from tests.acceptance.trial import SOAK, Caught, Finding, Tell


@pytest.fixture
def seed() -> int:
    """Print the seed of this test, which fixes what is done to the daemon and when; ``SEED`` repeats one."""
    chosen = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    print(f"SEED={chosen} repeats this test", file=sys.stderr)
    return chosen


@pytest.fixture
def scale(request: pytest.FixtureRequest) -> int:
    """How many times as much as usual is to be done."""
    soak = request.config.stash.get(SOAK, None)
    return soak.scale if soak else 1


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Take down what was done and found."""
    soak = request.config.stash.get(SOAK, None)

    def told(what: str, finding: Finding) -> None:
        print(f"{what}: {finding}", file=sys.stderr)
        if soak:
            soak.findings.append((what, finding))

    return told


@pytest.fixture
def caught(request: pytest.FixtureRequest) -> Caught:
    """Assert that a breakage of ``program`` was found as a breach of the promise with this letter; take it down."""
    soak = request.config.stash.get(SOAK, None)

    def noticed(breakage: str, letter: str, finding: Finding) -> None:
        assert BREAKAGES[breakage].__doc__
        print(f"{breakage}: {finding}", file=sys.stderr)
        assert letter in finding.letters, f"nothing noticed the breakage {breakage}"
        if soak:
            fault = next(fault for fault in finding.faults if fault.startswith(letter))
            soak.caught.append((BREAKAGES[breakage].__doc__, fault, request.node.name))

    return noticed
