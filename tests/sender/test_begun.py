"""What a sender has begun can be read after it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from router.sender import begun as module
from router.sender.begun import Begun, Stage, memory

ROOT = Path(__file__).parents[2]
BEGIN_AND_WAIT = """
import sys
from router.sender.begun import Begun
begun = Begun(int(sys.argv[1]))
begun.begin(1, 1)
begun.begin(2, 7)
begun.begin(3, 1)
begun.end(2, 7)
begun.end(3, 1)
begun.told([(3, 1)])
print("there", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def begun():
    made = Begun(memory())
    yield made
    made.close()


def test_an_attempt_is_there_from_its_beginning_until_the_worker_was_told(begun):
    assert begun.stages() == {}
    begun.begin(5, 1)
    assert begun.stages() == {(5, 1): Stage.UNDER_WAY}
    begun.end(5, 1)
    assert begun.stages() == {(5, 1): Stage.OVER}
    begun.told([(5, 1)])
    assert begun.stages() == {}


def test_the_next_attempt_at_a_delivery_is_another_one(begun):
    begun.begin(5, 1)
    begun.end(5, 1)
    begun.begin(5, 2)
    begun.told([(5, 1)])

    assert begun.stages() == {(5, 2): Stage.UNDER_WAY}


def test_what_was_never_begun_can_end_and_be_told(begun):
    begun.end(5, 1)
    begun.told([(5, 1)])

    assert begun.stages() == {}


def test_it_is_the_same_after_a_kill(begun):
    shared = memory()
    theirs = os.dup(shared)
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN_AND_WAIT, str(theirs)], pass_fds=[theirs], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    os.close(theirs)
    with process:
        assert process.stdout.readline() == b"there\n"
        process.send_signal(signal.SIGKILL)

    ours = Begun(shared)
    assert ours.stages() == {(1, 1): Stage.UNDER_WAY, (2, 7): Stage.OVER}
    ours.close()


def test_where_there_were_too_many_nothing_is_claimed_to_be_known(monkeypatch):
    begun = Begun(memory())
    for number in range(module._SLOTS + 1):
        begun.begin(number, 1)

    assert begun.stages() is None
    begun.close()


def test_slots_are_used_again(begun):
    for number in range(3 * module._SLOTS):
        begun.begin(number, 1)
        begun.told([(number, 1)])

    assert begun.stages() == {}
