"""Every trial comes from a seed; the long form (``python -m tests.soak``) makes it larger and keeps what it found."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import pytest

from tests.acceptance.trial import Finding

#: Name of the plugin with which the long form runs these tests.
SOAK = "callrouter-soak"
Tell = Callable[[str, Finding], None]


@pytest.fixture
def seed() -> int:
    """Print the seed of this test, which fixes what is done to the daemon and when; ``SEED`` repeats one."""
    chosen = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    print(f"SEED={chosen} repeats this test", file=sys.stderr)
    return chosen


@pytest.fixture
def scale(request: pytest.FixtureRequest) -> int:
    """How many times as much as usual is to be done."""
    soak = request.config.pluginmanager.get_plugin(SOAK)
    return soak.scale if soak else 1


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Take down what was done and found."""
    soak = request.config.pluginmanager.get_plugin(SOAK)

    def told(what: str, finding: Finding) -> None:
        print(f"{what}: {finding}", file=sys.stderr)
        if soak:
            soak.findings.append((what, finding))

    return told
