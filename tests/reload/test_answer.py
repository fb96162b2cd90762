"""Who asks for a reload hears what became of that one, and of no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.errors import Problem, RouterError
from router.reload import answer
from router.reload.answer import Answer

#: Answers each SIGHUP as a daemon would, the first one for a reload that had begun before.
DAEMON = """
import os, signal, sys, time
from pathlib import Path
from router.reload import answer
where = Path(sys.argv[1])
def say(began, text):
    answer.write(where, answer.Answer(os.getpid(), time.time(), began, True, "config.yaml", "v1", text))
def reload():
    say(time.monotonic() - 60, "of the file before")
    while not where.with_name("go").exists():
        time.sleep(0.005)  # between two looks for the file that lets this daemon go on
    say(time.monotonic(), "of the file now")
# Not a handler with pause(): a signal just before that would be waited for.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
print(flush=True)
while signal.sigwait([signal.SIGHUP]):
    reload()
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(tmp_path / "reload.json")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(answer.__file__).parents[2])},
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def looked(folder: Path) -> bool:
    """Let the daemon go on once somebody has seen its first answer; it lives."""
    if (folder / "reload.json").exists():
        (folder / "go").touch()
    return True


def test_an_answer_is_read_as_it_was_written(tmp_path):
    said = Answer(1, 2.0, 3.0, False, "c.yaml", "v1", "no", (Problem("c.yaml", 1, 1, "no"),), ("listen",))

    answer.write(tmp_path / "reload.json", said)

    assert answer.read(tmp_path / "reload.json") == said


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"pid": 1}'])
def test_what_is_no_answer_is_none(tmp_path, content):
    (tmp_path / "reload.json").write_text(content)

    assert answer.read(tmp_path / "reload.json") is None
    assert answer.read(tmp_path / "nothing.json") is None


def test_who_asks_hears_of_a_reload_that_began_after_that(tmp_path, daemon):
    said = answer.ask(tmp_path / "reload.json", daemon.pid, lambda: looked(tmp_path), patience=20)

    assert said.text == "of the file now"


def test_an_answer_of_another_daemon_does_not_count(tmp_path, daemon):
    answer.write(tmp_path / "reload.json", Answer(1, 0.0, time.monotonic() + 60, True, "", "v0", "of another"))

    said = answer.ask(tmp_path / "reload.json", daemon.pid, lambda: looked(tmp_path), patience=20)

    assert said.text == "of the file now"


def test_a_daemon_that_ends_meanwhile_is_not_waited_for(tmp_path, daemon):
    os.kill(daemon.pid, signal.SIGSTOP)

    with pytest.raises(RouterError, match="ended during the reload"):
        answer.ask(tmp_path / "reload.json", daemon.pid, lambda: False, patience=20)


def test_a_daemon_that_does_not_answer_is_named(tmp_path, daemon):
    os.kill(daemon.pid, signal.SIGSTOP)

    with pytest.raises(RouterError, match=f"process {daemon.pid}"):
        answer.ask(tmp_path / "reload.json", daemon.pid, lambda: True, patience=0.1)


def test_two_roles_on_one_folder_answer_in_files_of_their_own(tmp_path):
    roles = (("ingest", "worker"), ("ingest",), ("worker",))

    assert len({answer.path(tmp_path, one) for one in roles}) == 3
