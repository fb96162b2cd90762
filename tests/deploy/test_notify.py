"""What a service manager hears of a real daemon."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from router.daemon.notify import Notifier
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.manager import ServiceManager
from tests.manual import ROOT

EVENT = (ROOT / "tests" / "events" / "documented.json").read_bytes()
CONFIG = LISTEN + (
    "sources: {wavix: {}}\ndestinations: {archive: {type: file, path: data/archive.jsonl}}\n"
    "always: [archive]\nunmatched: drop\nalerts: none\n"
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["a path", "an abstract name"])
def test_a_service_manager_hears_when_the_daemon_is_ready_reloads_and_stops(tmp_path: Path, kind: str) -> None:
    address = str(tmp_path / "notify") if kind == "a path" else f"@callrouter-{os.getpid()}"
    with ServiceManager(address) as manager:
        daemon = Daemon(tmp_path, CONFIG, environment=manager.environment)
        daemon.launch()
        try:
            ready = manager.next("READY")
            # No waiting: who is told that it is ready may post at once.
            assert daemon.post(EVENT).status == 200
            assert "ingest" in ready["STATUS"]
            assert "starting" not in ready["STATUS"]

            before = time.monotonic_ns() // 1000
            os.kill(daemon.pid, signal.SIGHUP)
            assert int(manager.next("RELOADING")["MONOTONIC_USEC"]) >= before
            assert manager.next("READY")["READY"] == "1"

            daemon.config.write_text("nonsense: true\n")
            os.kill(daemon.pid, signal.SIGHUP)
            manager.next("RELOADING")
            assert manager.next("READY")["READY"] == "1"

            daemon.process.terminate()
            assert manager.next("STOPPING")["STATUS"] == "finishing what has begun"
            assert daemon.wait() == 0
        finally:
            daemon.end()


@pytest.mark.slow
def test_a_process_that_crashes_is_told_as_status_and_is_no_second_readiness(tmp_path: Path) -> None:
    with ServiceManager(str(tmp_path / "notify")) as manager:
        with Daemon(tmp_path, CONFIG, environment=manager.environment) as daemon:
            manager.next("READY")
            daemon.kill("admin")
            assert "starting: admin" in manager.next("STATUS")["STATUS"]
            assert "starting" not in manager.next("STATUS")["STATUS"]
        assert sum("READY" in said for said in manager.heard()) == 1


def test_what_the_daemon_starts_does_not_speak_in_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")

    Notifier.from_environment()

    assert "NOTIFY_SOCKET" not in os.environ


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all"])
def test_without_a_manager_that_listens_nothing_happens(address: str | None) -> None:
    Notifier(address).stopping()
