"""The commands against the real daemon, as a newcomer types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import router
from router.status import daemons
from tests.harness.waiting import until

ENVIRON = {**os.environ, "PYTHONPATH": str(Path(router.__file__).parents[1])}


@pytest.fixture
def daemon(config, folder) -> Iterator[subprocess.Popen[bytes]]:
    log = (folder / "log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "router", "run"], stdout=log, stderr=log, env=ENVIRON)
    until(
        lambda: any(one.alive and all(p.alive for p in one.processes) for one in daemons(config.data)),
        30,
        what="it starts",
    )
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(60)
    log.close()


@pytest.mark.slow
def test_a_call_is_sent_seen_replayed_and_the_daemon_stopped(run, config, folder, daemon):
    sent = run("send", "--sample", "missed", "--json")
    assert (sent.code, {line["status"] for line in sent.json}) == (0, {200})

    # The end of a call that nobody answered is told after `settle`.
    until(
        lambda: bool(run("deliveries", "--destination", "crm", "--state", "delivered", "--json").json),
        30,
        what="it is told",
    )
    status = run("status")
    assert status.code == 0, status.out
    assert status.out.startswith("All is well.")

    assert run("replay", "--destination", "crm", "--state", "delivered", "--yes").code == 0
    until(lambda: len((folder / "data" / "crm.jsonl").read_text().splitlines()) == 2, 30, what="it is told again")
    told = [json.loads(line) for line in (folder / "data" / "crm.jsonl").read_text().splitlines()]
    assert [one["event"]["event_type"] for one in told] == ["call_ended", "call_ended"]

    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0
    stopped = run("status")
    assert stopped.code == 3
    assert "1 thing needs you: callrouter is not running." in stopped.out
