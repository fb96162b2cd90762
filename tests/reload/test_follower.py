"""A process moves when it is told to, to what it was given, and to nothing else."""

from __future__ import annotations

import os

import pytest

from router.errors import ConfigError, Problem, StoreError
from router.reload.follower import Follower
from router.reload.link import Message


def test_a_prepared_configuration_is_in_use_once_it_is_committed(pair, write):
    ours, theirs = pair()
    before, after = write("one"), write("two")
    write("three")
    used = []
    follower = Follower(theirs, before, use=lambda config, number: used.append((config.version, number)))

    ours.send(Message("prepare", 7, snapshot=after.snapshot))
    follower.hear()
    assert (ours.receive(), follower.config, used) == (Message("ready", 7), before, [])
    ours.send(Message("commit", 7))
    follower.hear()

    assert ours.receive() == Message("committed", 7)
    assert (follower.config.version, follower.number) == (after.version, 7)
    assert used == [(after.version, 7)]


def test_after_an_abort_nothing_has_changed(pair, write):
    ours, theirs = pair()
    before, after = write("one"), write("two")
    follower = Follower(theirs, before)

    for message in (Message("prepare", 7, snapshot=after.snapshot), Message("abort", 7), Message("commit", 7)):
        ours.send(message)
        follower.hear()

    assert [ours.receive().kind, ours.receive().kind] == ["ready", "refused"]
    assert follower.config is before


def test_what_was_prepared_for_another_reload_is_not_used(pair, write):
    ours, theirs = pair()
    before, after = write("one"), write("two")
    follower = Follower(theirs, before)

    for message in (Message("prepare", 7, snapshot=after.snapshot), Message("commit", 8)):
        ours.send(message)
        follower.hear()

    assert ours.receive().kind == "ready"
    assert (ours.receive().kind, follower.config) == ("refused", before)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (ConfigError([Problem("c", 1, 1, "gone")]), Message("refused", 7, problems=(Problem("c", 1, 1, "gone"),))),
        (StoreError("the disk is full"), Message("refused", 7, why="the disk is full")),
        (KeyError("x"), Message("refused", 7, why="a mistake in callrouter (KeyError: 'x')")),
    ],
)
def test_who_cannot_use_it_says_why_and_goes_on(pair, write, error, answer):
    ours, theirs = pair()
    before, after = write("one"), write("two")

    def use(*_):
        raise error

    follower = Follower(theirs, before, use=use)
    for message in (Message("prepare", 7, snapshot=after.snapshot), Message("commit", 7)):
        ours.send(message)
        follower.hear()

    assert (ours.receive().kind, ours.receive()) == ("ready", answer)
    assert follower.config is before


def test_it_goes_on_where_it_listens_and_has_its_data(pair, write):
    ours, theirs = pair()
    before, after = write("one", port=8080), write("one", port=9090)
    follower = Follower(theirs, before)

    for message in (Message("prepare", 7, snapshot=after.snapshot), Message("commit", 7)):
        ours.send(message)
        follower.hear()

    assert (follower.config.version, follower.config.listen) == (after.version, before.listen)


def test_a_successor_ignores_what_was_said_to_the_one_before(pair, write):
    ours, theirs = pair()
    before, after = write("one"), write("two")
    follower = Follower(theirs, before)
    ours.send(Message("prepare", 6, snapshot=before.snapshot))
    ours.send(Message("commit", 6))
    ours.send(Message("current", 6, asker=os.getpid() + 1, snapshot=before.snapshot))
    ours.send(Message("current", 7, asker=os.getpid(), snapshot=after.snapshot))

    follower.catch_up()

    assert ours.receive() == Message("hello", 0, asker=os.getpid())
    assert (follower.config.version, follower.number) == (after.version, 7)


def test_it_ends_with_its_supervisor(pair, write):
    ours, theirs = pair()
    follower = Follower(theirs, write())

    ours.close()

    assert not follower.hear()
