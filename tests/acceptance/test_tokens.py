"""A whole daemon that needs access tokens: few are fetched, none is kept, and a refusal loses nothing."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from router import samples
from tests.acceptance.settings import RETRY
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.tokens import CLIENT, SECRET, Tokens
from tests.harness.vendor import reply
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

CALLS = 40


def config(tokens: Tokens) -> str:
    oauth2 = {"token_url": tokens.token_url, "client_id": CLIENT, "client_secret": SECRET}
    return f"""{LISTEN}
sources: {{wavix: {{}}}}
destinations:
  crm:
    type: http
    url: {tokens.url}
    auth: {json.dumps({"oauth2": oauth2})}
    keep_answers: true
    {RETRY}
always: [crm]
unmatched: drop
alerts: none
"""


def paused(daemon: Daemon) -> bool:
    return any(value for name, value in daemon.metrics().items() if name.startswith("callrouter_paused{"))


def test_a_busy_daemon_fetches_few_tokens_keeps_none_and_waits_while_they_are_refused(tmp_path: Path) -> None:
    with ExitStack() as stack:
        tokens = stack.enter_context(closing(Tokens()))
        daemon = stack.enter_context(Daemon(tmp_path, config(tokens)))

        def call() -> None:
            [setup, *_] = samples.play("missed", started_at=time.time() - 300)
            assert daemon.post(json.dumps(setup.event).encode()).status == 200

        for number in range(CALLS):
            if number == CALLS // 2:
                until(lambda: tokens.taken, what="one call has arrived")
                tokens.expire()
            call()
        until(lambda: len(tokens.taken) == CALLS, 60, what="every call has arrived")
        fetched = len(tokens.asked)

        tokens.refusal = reply(401, {"error": "invalid_client"})
        tokens.expire()
        call()
        until(lambda: paused(daemon), 30, what="the destination is paused", every=0.2)
        stored = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())

    # Two by each sender process: at the start, and after those were taken no more.
    assert 2 <= fetched <= 2 * len(os.sched_getaffinity(0))
    assert len(tokens.taken) == CALLS
    assert b"the credentials are refused" in stored
    assert b"s3cret" not in stored
