"""`callrouter serve` by itself on a database that nobody has used yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.settings import an_event
from tests.harness.daemon import Daemon

pytestmark = pytest.mark.slow


def test_a_node_that_only_takes_events_in_needs_no_worker_before_it(tmp_path: Path, postgres_url: str) -> None:
    config = f"""listen: 127.0.0.1:0
store: {postgres_url}
node: door
timezone: UTC
region: GB
sources: {{wavix: {{}}}}
destinations: {{log: {{type: console}}}}
rules: []
always: [log]
unmatched: drop
alerts: none
"""
    with Daemon(tmp_path, config, role="serve") as door:
        assert door.post(an_event()).status == 200
