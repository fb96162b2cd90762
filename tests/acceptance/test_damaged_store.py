"""What docs/operations.md says of a damaged store: events are accepted meanwhile, and nothing of them is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.settings import an_event, to_each
from tests.harness.daemon import Daemon
from tests.harness.recording import Recorder
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

FILES = ("store.sqlite", "store.sqlite-wal", "store.sqlite-shm")


def test_events_are_accepted_beside_a_damaged_store_and_told_once_another_is_in_its_place(tmp_path: Path) -> None:
    with Recorder() as recorder:
        config = to_each(out=recorder.url)
        with Daemon(tmp_path, config) as daemon:
            daemon.post(an_event(1))
            until(lambda: len(recorder.accepted) == 1, what="the event before has arrived")
        store = daemon.data / FILES[0]
        backup = store.read_bytes()
        store.write_bytes(backup[:4096] + b"\xff" * (len(backup) - 4096))

        refused = daemon.run("run")
        assert refused.code == 4
        assert "store.sqlite is damaged: stop callrouter, keep a copy" in refused.err

        with Daemon(tmp_path, config, role="serve") as serving:
            assert serving.post(an_event(2)).status == 200
            status = serving.run("status")
        assert status.code == 3
        assert "Deliveries    not known: the store cannot be read" in status.out
        assert "nothing is overdue" not in status.out
        assert "The store is damaged" in " ".join(status.out.split())

        for name in FILES:
            (daemon.data / name).unlink(missing_ok=True)
        store.write_bytes(backup)
        with Daemon(tmp_path, config):
            until(lambda: len(recorder.accepted) == 2, what="the event accepted meanwhile has arrived")
