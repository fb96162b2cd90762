"""What is said over a link arrives whole, and secrets leave no trace on a disk."""

from __future__ import annotations

import itertools
import os
import select
import socket
from collections import deque
from pathlib import Path

import pytest

from router.config.files import Snapshot
from router.errors import Problem
from router.reload.link import Link, Message, answer_hello


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_message_arrives_as_it_was_sent(pair):
    ours, theirs = pair()
    problem = Problem("config.yaml", 3, 5, "no", hint="yes", width=2)

    theirs.send(Message("refused", 7, problems=(problem,), why="because", asker=11))
    theirs.send(Message("ready", 8))

    assert ours.receive() == Message("refused", 7, problems=(problem,), why="because", asker=11)
    assert ours.receive() == Message("ready", 8)


def test_a_configuration_larger_than_any_message_arrives_whole(pair):
    ours, theirs = pair()
    snapshot = Snapshot({"/etc/a": os.urandom(3_000_000), "/etc/b": b""}, {"/etc": ("/etc/a", "/etc/b")})
    before = open_files()

    for _ in range(3):
        ours.send(Message("prepare", 1, snapshot=snapshot))
        assert theirs.receive() == Message("prepare", 1, snapshot=snapshot)

    assert open_files() == before


def test_what_secrets_travel_in_is_in_no_folder(pair):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        Link(ours).send(Message("prepare", 1, snapshot=Snapshot({"/run/token": b"s3cret"})))
        content, [held], _, _ = socket.recv_fds(theirs, 1 << 16, 1)
        try:
            assert str(Path(f"/proc/self/fd/{held}").readlink()).startswith("/memfd:")
            assert b"s3cret" not in content
        finally:
            os.close(held)


def test_a_link_whose_other_end_is_gone_says_so(pair):
    ours, theirs = pair()
    theirs.close()

    assert ours.receive() is None
    with pytest.raises(OSError, match="pipe"):
        ours.send(Message("commit", 1))


def test_the_supervisors_end_never_waits(pair):
    ours, _ = pair()

    with pytest.raises(BlockingIOError):
        ours.receive()
    fill = itertools.repeat(Message("abort", 1))
    with pytest.raises(BlockingIOError):
        deque(map(ours.send, fill), maxlen=0)
    assert select.select([], [ours], [], 0)[1] == []


@pytest.mark.parametrize(("has", "sent"), [(7, None), (6, Snapshot({"/a": b"1"}))])
def test_a_process_gets_the_configuration_in_use_only_where_it_has_another(pair, has, sent):
    ours, theirs = pair()

    answer_hello(ours, Message("hello", has, asker=42), 7, lambda: Snapshot({"/a": b"1"}))

    assert theirs.receive() == Message("current", 7, asker=42, snapshot=sent)
