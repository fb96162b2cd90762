"""The commands against the real daemon, as a newcomer types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import router
from router.status import daemons
from tests.harness.waiting import until

ENVIRON = {**os.environ, "PYTHONPATH": str(Path(router.__file__).parents[1])}


@pytest.fixture
def daemon_starts(config, folder) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    log = (folder / "log").open("wb")
    started = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-m", "router", "run"], stdout=log, stderr=log, env=ENVIRON))
        until(
            lambda: any(one.alive and all(p.alive for p in one.processes) for one in daemons(config.data)),
            30,
            what="it starts",
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
    log.close()


@pytest.fixture
def daemon(daemon_starts) -> subprocess.Popen[bytes]:
    return daemon_starts()


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


@pytest.mark.slow
def test_what_is_silenced_cancelled_and_replayed_is_so_in_the_running_daemon_and_told(run, config, folder, daemon):
    assert "Silence 1 has begun" in run("silence", "add", "missed=true", "--for", "1h", "--why", "x", "--wait").err
    run("send", "--sample", "missed")

    def silenced() -> list[dict]:
        return run("deliveries", "--destination", "crm", "--state", "silenced", "--json").json

    until(lambda: bool(silenced()), 30, what="it is silenced")
    assert not (folder / "data" / "crm.jsonl").exists()

    assert "Replayed 1 delivery." in run("replay", "--silence", "1", "--yes", "--wait").err
    delivered = ("deliveries", "--destination", "crm", "--state", "delivered", "--json")
    until(lambda: bool(run(*delivered).json), 30, what="it is told after all")

    assert "Paused crm." in run("pause", "crm", "--wait").err
    assert (
        "Replayed 1 delivery." in run("replay", "--destination", "crm", "--state", "delivered", "--yes", "--wait").err
    )
    assert "Cancelled 1 delivery." in run("cancel", "--destination", "crm", "--yes", "--wait").err

    listed = run("commands", "--json").json
    assert [one["action"] for one in listed] == ["cancel", "replay", "pause", "replay", "silence"]
    assert all(one["carried_out_at"] for one in listed)


@pytest.mark.slow
def test_a_start_says_what_an_earlier_command_still_holds_up(run, config, folder, played, daemon_starts):
    played.call("missed")
    run("pause", "crm", "--reason", "they move house")
    run("drain", "archive", "--reason", "it is going away")

    daemon_starts()

    log = (folder / "log").read_text()
    assert "destination crm is paused: they move house. It goes on with callrouter resume" in log
    assert "destination archive takes nothing new: it is going away. It goes on with callrouter resume" in log


@pytest.mark.slow
def test_a_drained_daemon_ends_in_order_and_says_so(run, config, folder, daemon):
    ran = run("drain", "--wait")

    assert ran.code == 0
    assert "The daemon has ended." in ran.err
    assert daemon.wait(60) == 0
    [told] = run("commands", "--json").json
    assert told["result"].startswith("ending: nothing new is attempted")
