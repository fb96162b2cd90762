"""Whole calls through a whole daemon into a real mail server."""

from __future__ import annotations

from pathlib import Path

import pytest

from router import samples
from tests.acceptance.settings import RETRY
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.mail_server import MailServer
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

#: How the last mail of each call begins: a call that was rejected before anyone answered is missed as well.
LAST = {"answered": "✅", "missed": "📵", "busy": "🚫", "cancelled": "🚫", "rejected": "📵", "dtmf": "✅"}


def config(port: int) -> str:
    return f"""{LISTEN}
calls: {{settle: 200ms}}
sources:
  wavix: {{}}
destinations:
  office:
    type: email
    server: 127.0.0.1
    port: {port}
    tls: none
    sender: calls@example.com
    to: sales@example.com
    {RETRY}
rules:
  - name: all-calls
    when: {{event_type: ["*", call_ended]}}
    send: [office]
unmatched: drop
alerts: none
"""


def test_each_of_the_six_sample_calls_is_one_conversation_though_the_first_mail_is_refused(tmp_path: Path) -> None:
    owed = sum(len(samples.play(name, started_at=0)) + 1 for name in LAST)
    with MailServer(replies={"MAIL": "451 4.7.1 greylisted"}) as server:
        with Daemon(tmp_path, config(server.port)) as daemon:
            done = daemon.run("send", "--config", "config.yaml", "--sample", "missed")
            assert done.code == 0, done.err
            until(lambda: server.refusals, what="the mail server has refused a mail")
            server.replies.clear()
            for name in LAST:
                if name != "missed":
                    done = daemon.run("send", "--config", "config.yaml", "--sample", name)
                    assert done.code == 0, done.err
            until(lambda: len(server.mailbox) >= owed, 30, what="every mail has arrived")

        threads = server.threads()
        assert len(server.mailbox) == sum(map(len, threads)) == owed
        assert sorted(str(thread[-1]["Subject"])[0] for thread in threads) == sorted(LAST.values())
