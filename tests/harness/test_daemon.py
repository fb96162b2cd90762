"""Starting and ending programs: what a test may rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.harness import processes
from tests.harness.control import Helper
from tests.harness.daemon import request
from tests.harness.recording import Recorder, Reply
from tests.harness.slack import slack
from tests.harness.waiting import until

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]  # lives until it is ended
TETHERED = [sys.executable, "-m", "tests.harness.tethered", *SLEEPER]


def test_waiting_ends_with_a_sentence_when_nothing_comes() -> None:
    with pytest.raises(AssertionError, match=r"the moon is square did not come true within 0.02 s; last: False"):
        until(lambda: False, 0.02, what="the moon is square")


def test_waiting_takes_a_missing_file_for_not_yet() -> None:
    answers: Iterator[Exception | int] = iter([FileNotFoundError(), ValueError(), 0, 7])

    def look() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert until(look) == 7


def test_a_helper_ends_with_whoever_started_it() -> None:
    helper = Helper("tests.harness.receiver")
    assert processes.alive(helper.pid)
    helper.close()
    assert not processes.alive(helper.pid)


def test_a_tethered_program_ends_with_its_parent() -> None:
    starter = f"import subprocess, sys; p = subprocess.Popen({TETHERED!r}); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert parent.stdout.readline() == "up\n"
        assert processes.children(parent.pid) == [pid]
        os.kill(parent.pid, signal.SIGKILL)
        until(lambda: not processes.alive(pid))


def test_a_session_lists_the_living() -> None:
    with subprocess.Popen(SLEEPER, stdout=subprocess.PIPE, start_new_session=True) as program:
        assert program.stdout
        program.stdout.readline()
        assert processes.session(program.pid) == [program.pid]
        assert processes.memory([program.pid]).rss > processes.memory([program.pid]).pss > 1_000_000
        program.kill()
        until(lambda: processes.session(program.pid) == [])


def test_a_recorder_keeps_requests_whole_and_answers_as_told() -> None:
    with Recorder() as recorder:
        assert request("POST", recorder.url + "a?b=c", b"{}", {"X-Name": "v"}).body == b"ok"
        recorder.judge(lambda received: Reply(503, b"no", {"Retry-After": "1"}))
        assert request("PUT", recorder.url).headers["retry-after"] == "1"
        first, second = recorder.requests
        assert (first.method, first.path, first.headers["x-name"], first.body) == ("POST", "/a?b=c", "v", b"{}")
        assert (second.method, recorder.accepted, recorder.refusals[0].status) == ("PUT", [first], 503)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b'{"text": "hi", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x"}}]}', b"ok"),
        (b"{", b"invalid_payload"),
        (b'{"blocks": []}', b"no_text"),
        (b'{"text": "hi", "blocks": [{"type": "section"}]}', b"invalid_blocks"),
        (b'{"text": "hi", "blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}', b"invalid_blocks"),
        (b'{"text": "hi", "blocks": [{"type": "poem"}]}', b"invalid_blocks"),
    ],
)
def test_the_slack_like_destination_refuses_what_slack_refuses(body: bytes, answer: bytes) -> None:
    with Recorder(slack) as recorder:
        assert request("POST", recorder.url, body, {"Content-Type": "application/json"}).body == answer
