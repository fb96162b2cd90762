"""All processes move to one configuration or none does, whoever ends in between.

Each process here is a thread with the real follower; the test leads them as the supervisor does.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from router.config import Config
from router.errors import ConfigError, Problem, StoreError
from router.reload.follower import Follower
from router.reload.link import Link, Message
from router.reload.phases import Move, Refused
from tests.harness.waiting import until

NUMBER = 7


class Process:
    """A follower in a thread. It ``dies`` after so many messages, or in a commit; a ``deaf`` one hears nothing."""

    def __init__(self, link: Link, config: Config, *, dies: int | str = "", deaf: bool = False, use=None) -> None:
        self.link = link
        self.done = threading.Event()
        if dies == "in commit":
            use = lambda *_: link.close()  # noqa: E731 - said where it is used
        self.follower = Follower(link, config, use=use or (lambda *_: None), done=self.done.set)
        self._dies = dies
        self.threads = [] if deaf else [start(self._listen)]

    def _listen(self) -> None:
        heard = 0
        # OSError: the stage has ended it.
        with contextlib.suppress(OSError):
            while heard != self._dies and self.follower.hear():
                heard += 1
        self.link.close()

    def successor(self) -> Follower:
        """What gunicorn makes when its process has ended: another one, on the same link."""
        follower = Follower(self.link, self.follower.config)

        def listen() -> None:
            follower.catch_up()
            while follower.hear():
                pass

        self.threads.append(start(listen))
        return follower

    @property
    def version(self) -> str:
        return self.follower.config.version


def start(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target)
    thread.start()
    return thread


class Stage:
    """A daemon of threads."""

    def __init__(self, pair: Callable[[], tuple[Link, Link]], before: Config, after: Config) -> None:
        self.before, self.after = before, after
        self._pair = pair
        self.links: dict[str, Link] = {}
        self.processes: dict[str, Process] = {}
        self.ended: list[str] = []

    def add(self, name: str, **behaviour) -> Process:
        self.links[name], theirs = self._pair()
        self.processes[name] = Process(theirs, self.before, **behaviour)
        return self.processes[name]

    def end(self, name: str) -> None:
        self.ended.append(name)
        self.processes[name].link.close()

    def move(self, **options) -> None:
        Move(
            NUMBER,
            self.after.snapshot,
            before=(0, self.before.snapshot),
            links=self.links,
            end=self.end,
            **{"decides": "worker", "deadline": 10.0, **options},
        ).run()

    def versions(self, *names: str) -> set[str]:
        return {self.processes[name].version for name in names or self.processes}


@pytest.fixture
def stage(pair, write) -> Iterator[Stage]:
    stage = Stage(pair, write("one"), write("two"))
    yield stage
    for link in stage.links.values():
        link.close()
    for process in stage.processes.values():
        for thread in process.threads:
            thread.join()


def test_all_move_and_the_one_that_decides_hears_when_they_have(stage):
    for name in ("worker", "sender", "ingest"):
        stage.add(name)

    stage.move()

    assert stage.versions() == {stage.after.version}
    assert stage.processes["worker"].done.wait(10)


def test_without_one_that_decides_all_move(stage):
    stage.add("ingest")

    stage.move(decides=None)

    assert stage.versions() == {stage.after.version}


def test_where_one_ends_before_it_is_ready_nobody_moves(stage):
    stage.add("worker")
    stage.add("sender", dies=0)

    with pytest.raises(Refused, match="sender ended before it was ready"):
        stage.move()

    assert stage.versions() == {stage.before.version}


def test_where_one_does_not_answer_nobody_moves(stage):
    stage.add("worker")
    stage.add("sender", deaf=True)

    with pytest.raises(Refused, match=r"sender did not answer within 1\.5s"):
        stage.move(deadline=1.5)

    assert stage.versions() == {stage.before.version}
    # Nor does anybody keep what it was not to use.
    until(lambda: stage.processes["worker"].follower._prepared is None)


def test_where_one_ends_between_ready_and_commit_nobody_moves(stage):
    stage.add("worker")
    stage.add("sender", dies=1)
    stage.add("ingest", deaf=True)

    with pytest.raises(Refused, match="sender ended before"):
        stage.move()

    assert stage.versions() == {stage.before.version}


def test_one_that_ends_after_the_decision_holds_up_nobody(stage):
    stage.add("worker")
    stage.add("ingest")
    stage.add("sender", dies="in commit")

    stage.move()

    # Its successor begins with what is in use then.
    assert stage.versions("worker", "ingest") == {stage.after.version}


def test_one_that_hangs_after_the_decision_is_ended(stage):
    release = threading.Event()
    stage.add("worker")
    stage.add("sender", use=lambda *_: release.wait(20))

    stage.move(deadline=0.5)
    release.set()

    assert stage.ended == ["sender"]
    assert stage.versions("worker") == {stage.after.version}


def test_one_that_fails_after_the_decision_is_ended_at_once(stage):
    def fail(*_):
        raise StoreError("a mistake")

    stage.add("worker")
    stage.add("sender", use=fail)

    stage.move(deadline=30.0)

    assert stage.ended == ["sender"]
    assert stage.versions("worker") == {stage.after.version}


def test_where_the_worker_refuses_nobody_moves_and_its_problems_come_through(stage):
    problem = Problem("config.yaml", 1, 1, "it is owed something")

    def refuse(*_):
        raise ConfigError([problem])

    stage.add("worker", use=refuse)
    stage.add("sender")

    with pytest.raises(Refused) as refused:
        stage.move()

    assert refused.value.problems == (problem,)
    assert stage.versions() == {stage.before.version}


@pytest.mark.parametrize("decided", [True, False])
def test_what_the_store_says_counts_where_the_worker_ends_while_it_decides(stage, decided):
    stage.add("worker", dies="in commit")
    stage.add("sender")
    asked = []

    def says(number: int) -> bool:
        asked.append(number)
        return decided

    if decided:
        stage.move(decided=says)
    else:
        with pytest.raises(Refused, match="before it had decided"):
            stage.move(decided=says)

    assert asked == [NUMBER]
    assert stage.versions("sender") == {stage.after.version if decided else stage.before.version}


def test_a_worker_that_hangs_is_ended_before_the_store_is_asked(stage):
    release = threading.Event()
    stage.add("worker", use=lambda *_: release.wait(20))

    with pytest.raises(Refused):
        stage.move(deadline=0.2, decided=lambda _: stage.ended != ["worker"])
    release.set()

    assert stage.ended == ["worker"]


def test_while_the_worker_is_away_nothing_is_decided(stage):
    stage.add("sender")

    with pytest.raises(Refused, match="the worker is not running"):
        stage.move()

    assert stage.versions() == {stage.before.version}


def test_a_daemon_that_is_told_to_stop_does_not_move(stage):
    stage.add("worker")
    stage.add("sender", deaf=True)

    with pytest.raises(Refused, match="being stopped"):
        stage.move(stopping=lambda: True)

    assert stage.versions("worker") == {stage.before.version}


def test_a_process_that_gunicorn_makes_anew_while_all_get_ready_moves_as_well(stage):
    stage.add("worker")
    stage.add("ingest", deaf=True)
    follower = stage.processes["ingest"].successor()

    stage.move()

    assert stage.versions("worker") == {stage.after.version} == {follower.config.version}


def test_a_process_that_was_ready_is_waited_for_once_more_when_gunicorn_makes_it_anew(stage):
    stage.add("worker", deaf=True)
    ingest = stage.add("ingest", deaf=True)
    ingest.link.send(Message("ready", NUMBER))
    ingest.link.send(Message("hello", asker=1))

    with pytest.raises(Refused, match="ingest, worker did not answer"):
        stage.move(deadline=0.5)


def test_a_process_that_gunicorn_makes_anew_after_the_decision_begins_with_it(stage):
    stage.add("worker")
    stage.add("ingest", deaf=True)
    # It got ready, and ended before it heard more.
    stage.processes["ingest"].link.send(Message("ready", NUMBER))
    made: list[Follower] = []
    stage.processes["worker"].follower._use = lambda *_: made.append(stage.processes["ingest"].successor())

    stage.move()

    until(lambda: made[0].config.version == stage.after.version, what="it has the new one")
    assert stage.versions("worker") == {stage.after.version}
