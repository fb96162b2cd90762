"""Who is told when callrouter itself needs somebody: by a whole daemon, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.settings import RETRY, an_event
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.recording import Received, Recorder, Reply
from tests.harness.waiting import until

pytestmark = pytest.mark.slow


def unauthorized(_: Received) -> Reply:
    return Reply(401)


def config(crm: Recorder, out: Recorder, **alerts: Recorder) -> str:
    urls = {"crm": crm, "out": out, **alerts}
    destinations = "".join(f'  {name}: {{type: http, url: "{one.url}", {RETRY}}}\n' for name, one in urls.items())
    told = ", ".join((*alerts, "crm"))
    return f"""{LISTEN}
sources:
  wavix: {{}}
destinations:
{destinations}
always: [crm, out]
unmatched: drop
alerts: {{to: [{told}], disk: 0.001%}}
"""


def alerts(recorder: Recorder) -> list[str]:
    heard = [received.json() for received in recorder.requests]
    return [event["event_payload"]["sentence"] for event in heard if event["event_type"] == "alert"]


def made(daemon: Daemon) -> list[str]:
    """What every alert in the store is about, first to last."""
    listed = daemon.run("events", "--type", "alert", "--json").out.splitlines()
    payloads = [json.loads(line)["event"]["event_payload"] for line in reversed(listed)]
    return [f"{one['what']} {one['destination']}" for one in payloads]


def test_a_destination_that_refuses_us_is_told_once_and_not_again_after_a_restart(tmp_path: Path) -> None:
    with Recorder(unauthorized) as crm, Recorder() as out, Recorder() as ops:
        with Daemon(tmp_path, config(crm, out, ops=ops)) as daemon:
            daemon.post(an_event(1))
            until(lambda: alerts(ops), what="the alert has arrived")
            assert daemon.metrics()['callrouter_alerts_total{kind="paused"}'] == 1
            status = daemon.run("status").out
            assert " ".join(alerts(ops)[0].split()[:3]) in status
        with Daemon(tmp_path, config(crm, out, ops=ops)) as daemon:
            daemon.post(an_event(2))
            until(lambda: len(out.accepted) == 2, what="the other event has arrived")
            daemon.run("resume", "crm")
            until(lambda: len(alerts(ops)) == 2, what="the end of the pause is told")
            assert made(daemon)[:2] == ["paused crm", "paused crm"]
        assert alerts(ops)[0].startswith("crm is paused, nothing is lost: ")
        assert alerts(ops)[1].startswith("crm is no longer paused, after ")
        assert alerts(crm) == []


def test_alerts_that_nobody_takes_end_in_no_loop(tmp_path: Path) -> None:
    with (
        Recorder(unauthorized) as crm,
        Recorder() as out,
        Recorder(unauthorized) as a,
        Recorder(unauthorized) as b,
        Daemon(tmp_path, config(crm, out, a=a, b=b)) as daemon,
    ):
        daemon.post(an_event(1))
        until(lambda: len(made(daemon)) == 3, what="every destination that refused us is told of", every=0.2)
        daemon.post(an_event(2))
        until(lambda: len(out.accepted) == 2, what="the other event has arrived")

        assert sorted(made(daemon)) == ["paused a", "paused b", "paused crm"]
