"""The sender process, as the worker meets it: real processes, real sockets, real signals."""

from __future__ import annotations

import signal
import socket

import pytest

from router.sender import recall
from tests.sender.conftest import make_job


def test_a_job_comes_back_as_an_outcome_with_its_receipt(start):
    sender = start(fast=4)

    sender.give(make_job(7))
    [outcome] = sender.outcomes(1)

    assert (outcome.delivery_id, outcome.attempt, outcome.kind) == (7, 1, "delivered")
    assert outcome.receipt == {"event": "ringing", "first": True}
    assert 0 < outcome.started_at <= outcome.ended_at


def test_the_text_of_its_rule_is_said_and_plain_words_where_that_fails(start):
    sender = start(saying=1)

    sender.give(make_job(1, "saying"), make_job(2, "saying")._replace(rule="vip"))
    usual, own = sender.outcomes(2)

    assert (usual.receipt, usual.unfilled, usual.reason) == ({"text": "usual ringing"}, False, None)
    assert own.receipt["text"].startswith("Ringing: call from")
    assert (own.kind, own.unfilled) == ("delivered", True)
    assert own.reason == (
        'sent in plain words: the template of "text" in rule "vip" cannot be filled in: event has no "no_such_field"'
    )


def test_every_job_comes_back_exactly_once_and_in_groups(start):
    sender = start(fast=8)

    for begin in range(0, 2000, 100):
        sender.give(*(make_job(number) for number in range(begin, begin + 100)))
    outcomes = sender.outcomes(2000)

    assert sorted(outcome.delivery_id for outcome in outcomes) == list(range(2000))
    assert len(sender.frames) < 1000


def test_what_the_worker_asks_back_comes_back_unless_it_was_begun(start):
    sender = start(stuck=1, fast=1)
    sender.give(*(make_job(number, "stuck") for number in range(5)))
    sender.begun(1)

    sender.give(recall("stuck"), make_job(100))
    outcomes = sender.outcomes(5)
    sender.let_go()

    kinds = {outcome.delivery_id: outcome.kind for outcome in [*outcomes, *sender.outcomes(1)]}
    assert kinds == {0: "delivered", 1: "released", 2: "released", 3: "released", 4: "released", 100: "delivered"}


def test_further_attempts_that_hang_leave_a_slot_for_news(start):
    sender = start(stuck=4)
    sender.give(*(make_job(number, "stuck")._replace(attempt=2) for number in range(20)))
    sender.begun(3)

    sender.give(make_job(100, "stuck"))

    sender.begun(4)
    assert (sender.folder / "begun-key-100").exists()


def test_a_stuck_destination_delays_no_other(start):
    sender = start(stuck=3, fast=1)

    sender.give(*(make_job(number, "stuck") for number in range(20)), *(make_job(100 + n) for n in range(20)))
    outcomes = sender.outcomes(20)

    assert {outcome.delivery_id for outcome in outcomes} == set(range(100, 120))


def test_a_slow_destination_gets_as_many_threads_as_it_may_have_and_no_more(start):
    sender = start(stuck=3)

    sender.give(*(make_job(number, "stuck") for number in range(10)))
    sender.begun(3)
    sender.process.send_signal(signal.SIGTERM)
    released = sender.outcomes(7)

    assert [outcome.kind for outcome in released] == ["released"] * 7
    assert len(list(sender.folder.glob("begun-*"))) == 3


def test_asked_to_end_it_finishes_what_is_being_sent_and_gives_back_the_rest(start):
    sender = start(stuck=1)
    sender.give(*(make_job(number, "stuck") for number in range(3)))
    sender.begun(1)

    sender.process.send_signal(signal.SIGTERM)
    released = sender.outcomes(2)
    sender.let_go()
    finished = sender.outcomes(1)

    assert [outcome.kind for outcome in released] == ["released", "released"]
    assert [outcome.kind for outcome in finished] == ["delivered"]
    assert sender.process.wait(20) == 0


def test_a_job_that_arrives_while_it_ends_is_given_back(start):
    sender = start(stuck=1, fast=1)
    sender.give(make_job(1, "stuck"))
    sender.begun(1)
    sender.process.send_signal(signal.SIGTERM)
    sender.give(make_job(2, "stuck"))
    assert [outcome.kind for outcome in sender.outcomes(1)] == ["released"]

    sender.give(make_job(3))

    assert [(outcome.delivery_id, outcome.kind) for outcome in sender.outcomes(1)] == [(3, "released")]


def test_asked_to_end_while_a_send_hangs_it_ends_when_its_grace_is_over(start):
    sender = start(stuck=1, grace=0.1)
    sender.give(make_job(1, "stuck"))
    sender.begun(1)

    sender.process.send_signal(signal.SIGTERM)

    assert sender.process.wait(20) == 0
    assert sender.outcomes(1) == []


def test_it_ends_by_itself_when_the_worker_is_gone(start):
    sender = start(stuck=1)
    sender.give(*(make_job(number, "stuck") for number in range(3)))
    sender.begun(1)

    sender.socket.shutdown(socket.SHUT_WR)
    # Only when it has noticed may the attempt end: its thread would take the next job otherwise.
    assert [outcome.kind for outcome in sender.outcomes(2)] == ["released", "released"]
    sender.let_go()

    assert sender.process.wait(20) == 0
    assert len(list(sender.folder.glob("begun-*"))) == 1


def test_ctrl_c_is_the_supervisors_business(start):
    sender = start(fast=1)
    sender.give(make_job(1))
    sender.outcomes(1)

    sender.process.send_signal(signal.SIGINT)
    sender.give(make_job(2))

    assert [outcome.delivery_id for outcome in sender.outcomes(1)] == [2]


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("failing", "temporary", "no luck with <secret>"),
        ("buggy", "bug", "a bug in the plugin: KeyError: '<secret>'"),
        ("exiting", "bug", "a bug in the plugin: SystemExit: 3"),
        ("broken", "bug", "a bug in the plugin: RuntimeError: cannot be made"),
        ("gone", "released", "this sender does not serve gone"),
        ("disabled", "released", "this sender does not serve disabled"),
    ],
)
def test_whatever_a_plugin_does_its_job_comes_back_with_a_reason(start, name, kind, reason):
    sender = start(failing=1, buggy=1, exiting=1, broken=1, disabled=1)

    sender.give(make_job(1, name), make_job(2, name))

    assert [(outcome.kind, outcome.reason) for outcome in sender.outcomes(2)] == [(kind, reason)] * 2


def test_status_and_patience_of_a_failure_reach_the_worker(start):
    sender = start(failing=1)

    sender.give(make_job(1, "failing"))
    [outcome] = sender.outcomes(1)

    assert (outcome.status, outcome.retry_after) == (503, 9.0)


def test_a_bug_is_logged_with_its_traceback_and_without_secrets(start):
    sender = start(buggy=1)

    sender.give(make_job(1, "buggy"))
    sender.outcomes(1)
    log = sender.close()

    assert "bug in plugin by-name (destination buggy, delivery 1): Traceback" in log
    assert "KeyError: '<secret>'" in log
    assert "s3cret-token" not in log


def test_a_destination_of_concurrency_one_is_served_by_one_sender_only(start):
    kinds = []
    for index in (0, 1):
        sender = start(share=(index, 2), fast=1)
        sender.give(make_job(1))
        kinds.append(sender.outcomes(1)[0].kind)

    assert sorted(kinds) == ["delivered", "released"]
