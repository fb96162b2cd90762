"""A disk that runs full under a whole daemon: refused early, delivered on, nothing lost, nothing sent twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.settings import events, to_each
from tests.harness.daemon import Daemon, request
from tests.harness.recording import Recorder, Reply
from tests.harness.small_disk import fill, small_disk
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

LIMITS = "disk: {ballast: 4MiB, refuse_below: 8MiB}\n"


def test_a_disk_that_runs_full_refuses_early_delivers_on_and_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk, Recorder(lambda _: Reply(503)) as recorder:
        config = LIMITS + to_each(out=recorder.url).replace("sqlite:data", f"sqlite:{disk / 'data'}")
        daemon = Daemon(tmp_path, config)
        daemon.data = disk / "data"
        with daemon:
            until((daemon.data / "ballast").exists, what="there is ballast")
            first, *_, last = events()
            assert daemon.post(first).status == 200
            until(lambda: recorder.requests, what="the first attempt has failed")

            filler = fill(disk, leave=7 << 20)
            ready = daemon.url().replace("webhooks/wavix", "readyz")
            said = until(lambda: (answer := request("GET", ready)).status == 503 and answer, what="it is not ready")
            assert "refuse_below" in said.body.decode()
            refused = daemon.post(last)
            assert (refused.status, "retry-after" in refused.headers) == (503, True)
            recorder.judge(lambda _: Reply())
            until(lambda: len(recorder.accepted) == 1, 30, what="what was accepted is delivered all the same")

            filler.unlink()
            until(lambda: daemon.post(last).status == 200, what="events are accepted again")
            until(lambda: len(recorder.accepted) == 2, 30, what="it has arrived")
            assert [received.body for received in recorder.accepted] == [first, last]


def test_on_a_disk_with_no_room_at_all_the_ballast_is_given_up_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk, Recorder(lambda _: Reply(503)) as recorder:
        config = LIMITS + to_each(out=recorder.url).replace("sqlite:data", f"sqlite:{disk / 'data'}")
        daemon = Daemon(tmp_path, config)
        daemon.data = disk / "data"
        with daemon:
            until((daemon.data / "ballast").exists, what="there is ballast")
            sent = events(1)
            for body in sent:
                assert daemon.post(body).status == 200
            until(lambda: recorder.requests, what="the first attempt has failed")
            workers = daemon.pids()["worker"]
            filler = fill(disk)
            recorder.judge(lambda _: Reply())
            until(lambda: len(recorder.accepted) == len(sent), 60, what="everything has arrived")
            until(lambda: not (daemon.data / "ballast").exists(), 30, what="the ballast is given up")

            filler.unlink()
            until((daemon.data / "ballast").exists, 30, what="the ballast is back")
            until(lambda: daemon.metrics()['callrouter_waiting{destination="out"}'] == 0, what="nothing is owed")
            assert daemon.pids()["worker"] == workers
            assert [received.body for received in recorder.accepted] == sent
            assert "the ballast is back" in daemon.log()
