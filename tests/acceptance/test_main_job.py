"""The main job: a call event goes in, Slack and any HTTP destination hear of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from router import samples
from tests.acceptance.settings import RETRY
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.recording import Received, Recorder, Reply
from tests.harness.slack import faults, slack
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

NAMES = ("answered", "missed", "busy", "cancelled", "rejected", "dtmf")
UUIDS = {name: f"00000000-0000-4000-8000-{number:012d}" for number, name in enumerate(NAMES, 1)}


def config(http: str, team: str, alarm: str) -> str:
    return f"""{LISTEN}
calls: {{settle: 200ms}}
sources:
  wavix: {{}}
destinations:
  anything: {{type: http, url: "{http}", order: call, {RETRY}}}
  team: {{type: slack, url: "{team}", {RETRY}}}
  alarm: {{type: slack, url: "{alarm}", text: "Missed call {{{{ event.uuid }}}}", {RETRY}}}
  archive: {{type: file, path: data/archive.jsonl}}
rules:
  - name: missed-calls
    when: {{missed: true}}
    send: [alarm]
  - name: all-calls
    when: {{event_type: "*"}}
    send: [team]
always: [anything, archive]
unmatched: drop
alerts: none
"""


class Stubborn:
    """Refuses the first attempt of every delivery, then accepts."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, received: Received) -> Reply:
        key = received.headers["webhook-id"]
        if key in self._seen:
            return Reply()
        self._seen.add(key)
        return Reply(503)


def identity(event: dict[str, str]) -> tuple[str, str, str]:
    return event["uuid"], event["event_type"], event["event_time"]


def test_the_documented_event_arrives_byte_for_byte(tmp_path: Path) -> None:
    body = samples.documented()
    with Recorder() as http, Recorder(slack) as team, Recorder(slack) as alarm:
        with Daemon(tmp_path, config(http.url, team.url, alarm.url)) as daemon:
            answer = daemon.post(body)
            assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, "application/json")
            until(lambda: http.accepted, what="the HTTP destination has it")
            until(lambda: team.accepted, what="Slack has it")
        (received,) = http.requests
        assert received.body == body
        assert (received.method, received.headers["content-type"]) == ("POST", "application/json")
        assert received.headers["webhook-id"]
        assert not team.refusals
        assert not alarm.requests


def test_six_sample_calls_reach_every_destination_once(tmp_path: Path) -> None:
    expected = {name: [timed.event["event_type"] for timed in samples.play(name, started_at=0)] for name in NAMES}
    total = sum(map(len, expected.values()))
    with Recorder(Stubborn()) as http, Recorder(slack) as team, Recorder(slack) as alarm:
        with Daemon(tmp_path, config(http.url, team.url, alarm.url)) as daemon:
            for name in NAMES:
                done = daemon.run("send", "--config", "config.yaml", "--sample", name, "--uuid", UUIDS[name])
                assert done.code == 0, done.err
            until(lambda: len(http.accepted) >= total, 20, what="the HTTP destination has every event")
            until(lambda: len(team.accepted) >= total, 20, what="Slack has every event")
            until(lambda: len(_alarmed(alarm)) >= 2, 20, what="the missed calls were alarmed")

        # Slack first, then what every destination has in common.
        for received in (*team.requests, *alarm.requests):
            payload = received.json()
            assert payload["text"]
            assert payload["blocks"]
            assert faults(payload) == []
        assert not team.refusals
        # A call that was rejected before anyone answered is missed as well; nobody else's is.
        assert _alarmed(alarm) == Counter({"missed": 1, "rejected": 1})

        arrived = [identity(received.json()) for received in http.accepted]
        assert len(set(arrived)) == len(arrived) == total
        for name in NAMES:
            assert [kind for uuid, kind, _ in arrived if uuid == UUIDS[name]] == expected[name]
        keys = {received.headers["webhook-id"] for received in http.requests}
        assert len(keys) == total
        assert Counter(received.headers["webhook-id"] for received in http.requests) == Counter(keys) + Counter(keys)

        lines = (tmp_path / "data" / "archive.jsonl").read_text().splitlines()
        assert Counter(identity(json.loads(line)["event"]) for line in lines) == Counter(arrived)


def _alarmed(alarm: Recorder) -> Counter[str]:
    """Calls by name, with the number of alarms for each."""
    return Counter(name for received in alarm.accepted for name in NAMES if UUIDS[name] in received.body.decode())
