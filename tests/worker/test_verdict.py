"""What follows from how an attempt ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from router.calls import Call
from router.config.model import Destination
from router.plugin import Plugin, Settings
from router.retry import RetryPolicy
from router.sender import Outcome
from router.store import Claim, Owed, State
from router.worker.verdict import expired_before_sending, judge

ACCEPTED = 1000.0
NOW = 1010.0
FRESH = Owed(ACCEPTED, ACCEPTED)


class Post(Plugin[Settings]):
    """Like a chat message: sent twice, it is there twice."""

    type = "post"
    Settings = Settings
    repeatable = False

    def deliver(self, delivery):
        return None


class Upsert(Post):
    type = "upsert"
    repeatable = True


DESTINATION = Destination(
    name="chat",
    plugin=Post,
    settings=Settings(),
    fingerprint="",
    disabled=None,
    retry=RetryPolicy(first=5, factor=3, max=100, give_up_after=3600),
    order="none",
)


def verdict(outcome: Outcome, *, owed: Owed = FRESH, unknowns: int = 0, now: float = NOW, **changes):
    destination = replace(DESTINATION, **changes)
    return judge(outcome, owed=owed._replace(unknowns=unknowns), destination=destination, owner="w1", now=now)


def outcome(kind: str, attempt: int = 1, **more) -> Outcome:
    return Outcome(7, attempt, kind, **{"reason": "because", "started_at": 1009.0, "ended_at": 1009.5, **more})


def test_what_was_delivered_is_delivered_with_its_receipt():
    attempt, pause = verdict(outcome("delivered", reason=None, receipt={"ts": "1"}, status=200))

    assert (attempt.state, attempt.outcome, attempt.reason) == (State.DELIVERED, "delivered", None)
    assert (attempt.delivery_id, attempt.attempt, attempt.owner) == (7, 1, "w1")
    assert (attempt.receipt, attempt.started_at, attempt.ended_at) == ({"ts": "1"}, 1009.0, 1009.5)
    assert pause is None


@pytest.mark.parametrize("kind", ["temporary", "bug"])
def test_a_failure_is_tried_again_after_the_policys_wait(kind):
    attempt, pause = verdict(outcome(kind, attempt=2, status=503))

    assert (attempt.state, attempt.outcome, attempt.reason, attempt.status) == (State.READY, "failed", "because", 503)
    assert NOW + 15 <= attempt.due_at <= NOW + 16.5
    assert attempt.counts
    assert pause is None


def test_a_destination_that_asks_for_patience_gets_it():
    attempt, _ = verdict(outcome("temporary", retry_after=600.0))

    assert attempt.due_at >= NOW + 600


def test_a_delivery_given_up_says_how_often_how_long_and_why():
    attempt, _ = verdict(outcome("temporary", attempt=14), now=ACCEPTED + 3599)

    assert attempt.state is State.DEAD
    assert attempt.reason == "gave up after 14 attempts over 59m 59s: because"


def test_a_refusal_is_a_dead_letter_at_once():
    attempt, pause = verdict(outcome("permanent", status=400))

    assert (attempt.state, attempt.outcome, attempt.reason) == (State.DEAD, "refused", "because")
    assert pause is None


@pytest.mark.parametrize("kind", ["delivered", "temporary", "permanent", "unusable", "unknown", "bug"])
def test_what_is_kept_of_an_answer_is_recorded_however_the_attempt_ended(kind):
    attempt, _ = verdict(outcome(kind, answer={"status": 503, "body": "busy"}))

    assert attempt.answer == {"status": 503, "body": "busy"}


def test_an_unusable_destination_is_paused_and_loses_nothing():
    attempt, pause = verdict(outcome("unusable", attempt=9, status=403), now=ACCEPTED + 999_999)

    assert (attempt.state, attempt.outcome, attempt.counts) == (State.READY, "unusable", False)
    assert pause == "because"


def test_what_was_never_begun_is_due_at_once_and_uncounted():
    attempt, pause = verdict(Outcome(7, 1, "released", "the sender is stopping"))

    assert (attempt.state, attempt.outcome, attempt.due_at, attempt.counts) == (State.READY, "released", NOW, False)
    assert (attempt.started_at, attempt.ended_at) == (NOW, NOW)
    assert pause is None


def test_a_lost_answer_is_tried_once_more_by_default():
    attempt, _ = verdict(outcome("unknown"))

    assert (attempt.state, attempt.outcome) == (State.READY, "unknown")
    assert attempt.due_at >= NOW + 5


def test_a_second_lost_answer_is_a_dead_letter():
    attempt, _ = verdict(outcome("unknown", attempt=2), unknowns=1)

    assert attempt.state is State.DEAD
    assert attempt.reason == "because; not sent again after 2 lost answers"


def test_a_lost_answer_is_never_repeated_where_the_operator_says_hold():
    attempt, _ = verdict(outcome("unknown"), unknown="hold")

    assert attempt.state is State.DEAD
    assert attempt.reason == "because; not sent again because of unknown: hold"


@pytest.mark.parametrize("unknown", ["retry", "hold"])
def test_lost_answers_do_not_matter_where_repeating_is_safe(unknown):
    attempt, _ = verdict(outcome("unknown", attempt=5), unknowns=4, plugin=Upsert, unknown=unknown)

    assert (attempt.state, attempt.outcome) == (State.READY, "unknown")


def test_news_that_would_be_too_old_at_the_next_try_expires_now():
    attempt, _ = verdict(outcome("temporary"), expire=12.0)

    assert (attempt.state, attempt.outcome) == (State.EXPIRED, "failed")
    assert attempt.reason == "older than 12s (expire) before another try: because"


def test_news_still_fresh_at_the_next_try_does_not_expire():
    attempt, _ = verdict(outcome("temporary"), expire=16.0)

    assert attempt.state is State.READY


def test_what_was_delivered_late_is_still_delivered():
    attempt, _ = verdict(outcome("delivered"), expire=1.0)

    assert attempt.state is State.DELIVERED


@pytest.mark.parametrize(("age", "expired"), [(0.0, False), (60.0, False), (60.1, True), (9999.0, True)])
def test_news_that_is_too_old_is_not_sent(age, expired):
    claim = Claim(
        7, 3, "chat", None, "k", "wavix", ACCEPTED, b"{}", "{}", Call("wavix", "c"), None, 1, "ringing", "c", FRESH
    )

    attempt = expired_before_sending(
        claim, destination=replace(DESTINATION, expire=60.0), owner="w1", now=ACCEPTED + age
    )

    assert (attempt is not None) is expired
    if attempt:
        assert (attempt.state, attempt.outcome, attempt.attempt) == (State.EXPIRED, "expired", 3)
        assert attempt.reason == "older than 1m (expire) before it could be sent"


def test_news_without_an_expiry_is_never_too_old():
    claim = Claim(
        7, 3, "chat", None, "k", "wavix", ACCEPTED, b"{}", "{}", Call("wavix", "c"), None, 1, "ringing", "c", FRESH
    )

    assert expired_before_sending(claim, destination=DESTINATION, owner="w1", now=ACCEPTED + 1e9) is None


def test_a_replayed_delivery_has_all_its_attempts_and_days_again():
    owed = Owed(since=9000.0, tried_since=9000.0, earlier_attempts=7)

    attempt, _ = verdict(outcome("temporary", attempt=8), owed=owed, now=9010.0)

    assert attempt.state is State.READY
    assert 5.0 <= attempt.due_at - 9010.0 <= 5.5


def test_a_delivery_that_waited_out_a_pause_is_not_given_up_for_it():
    owed = Owed(since=ACCEPTED, tried_since=ACCEPTED + 7200)

    attempt, _ = verdict(outcome("temporary"), owed=owed, now=ACCEPTED + 7210)

    assert attempt.state is State.READY


def test_news_that_became_old_during_a_pause_expires_all_the_same():
    owed = Owed(since=ACCEPTED, tried_since=ACCEPTED + 7200)

    attempt, _ = verdict(outcome("temporary"), owed=owed, now=ACCEPTED + 7210, expire=3600.0)

    assert attempt.state is State.EXPIRED
