"""What an operator sees of a destination: where it was asked, and what it last said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router import samples
from tests.acceptance.settings import RETRY
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.recording import Recorder, Reply
from tests.harness.waiting import until

pytestmark = pytest.mark.slow


def config(url: str, *more: str) -> str:
    return f"""{LISTEN}
sources:
  wavix: {{}}
destinations:
  crm:
    type: http
    url: "{url}tokenOfPath/calls/{{{{ event.uuid }}}}?type={{{{ event.event_type }}}}"
    {RETRY}
    {"; ".join(more)}
always: [crm]
unmatched: drop
"""


def shown(daemon: Daemon, number: int) -> dict[str, Any]:
    done = daemon.run("deliveries", "--config", "config.yaml", "--json", str(number))
    return json.loads(done.out) if done.code == 0 else {}


def test_the_last_answer_of_a_destination_is_seen_and_its_settings_follow_a_reload(tmp_path: Path) -> None:
    event = json.loads(samples.documented())
    with (
        Recorder(lambda _: Reply(422, b"no such field at /tokenOfPath", {"X-Request-Id": "r-7"})) as crm,
        Daemon(tmp_path, config(crm.url)) as daemon,
    ):
        daemon.post(json.dumps(event).encode())
        until(lambda: shown(daemon, 1).get("state") == "dead", 20, what="the destination refused it", every=0.2)
        refused = shown(daemon, 1)["answer"]

        (tmp_path / "config.yaml").write_text(config(crm.url, "keep_answers: true"))
        assert daemon.run("reload", "--config", "config.yaml").code == 0
        crm.judge(lambda _: Reply(202, b"queued as 12"))
        daemon.post(json.dumps(event | {"event_type": "ringing"}).encode())
        until(lambda: shown(daemon, 2).get("state") == "delivered", 20, what="it is delivered", every=0.2)
        accepted = shown(daemon, 2)

    assert (refused["attempt"], refused["status"], refused["body"]) == (1, 422, "no such field at /<secret>")
    assert refused["headers"]["x-request-id"] == "r-7"
    assert accepted["answer"]["body"] == "queued as 12"
    assert [attempt["status"] for attempt in accepted["history"]] == [202]
    path = f"/tokenOfPath/calls/{event['uuid']}?type="
    assert [received.path for received in crm.requests] == [path + event["event_type"], path + "ringing"]
