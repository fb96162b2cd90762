"""One attempt: what a plugin is handed, and what becomes of what it says."""

from __future__ import annotations

import pytest

from router.config.model import Destination
from router.errors import (
    AnswerLost,
    DeliveryFailed,
    DestinationUnusable,
    PermanentFailure,
    TakenAsDelivered,
    TemporaryFailure,
)
from router.outgoing import SmtpMail
from router.plugin import Plugin, Secret, Settings, Template
from router.retry import RetryPolicy
from router.sender import Outcome
from router.sender.attempt import Attempts, delivery_of
from router.sender.frames import Decoder, encode
from tests.harness.recording import Recorder, Reply
from tests.sender.conftest import BODY, make_job


def attempts_that(deliver, settings=None, overrides=None, **keys) -> Attempts:
    class Test(Plugin[Settings]):
        type = "test"
        Settings = Settings

        def deliver(self, delivery):
            return deliver(delivery) if settings is None else deliver(self, delivery)

    return Attempts(
        Destination(
            name="fast",
            plugin=Test,
            settings=settings or Settings(),
            fingerprint="",
            disabled=None,
            retry=RetryPolicy(),
            order="none",
            **keys,
        ),
        overrides or {},
    )


class Text(Settings):
    text: Template


def say(plugin, delivery):
    said.append((id(plugin), delivery.render(plugin.settings.text)))


said: list[tuple[int, str]] = []


@pytest.fixture(autouse=True)
def nothing_said():
    said.clear()


def fail(ex: BaseException):
    def deliver(_):
        raise ex

    return deliver


def test_a_plugin_sees_the_event_by_the_senders_names_and_the_bytes_as_they_came():
    delivery = delivery_of(make_job(3)._replace(receipt='{"ts": "1"}', attempt=2), 1060.0)

    assert delivery.event["event_type"] == "ringing"
    assert delivery.event["source"] == "wavix"
    assert delivery.body == BODY
    assert (delivery.call["uuid"], delivery.call["state"]) == ("c1", "setup")
    assert dict(delivery.facts) == {"first": True}
    assert (delivery.key, delivery.attempt, delivery.rule) == ("key-3", 2, "rule")
    assert (delivery.receipt, delivery.accepted_at, delivery.attempted_at) == ({"ts": "1"}, 1000.0, 1060.0)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (TemporaryFailure("why"), "temporary"),
        (AnswerLost("why"), "unknown"),
        (PermanentFailure("why"), "permanent"),
        (DestinationUnusable("why"), "unusable"),
        (DeliveryFailed("why"), "temporary"),
    ],
)
def test_each_failure_has_its_kind(failure, kind):
    outcome = attempts_that(fail(failure)).make(make_job(1))

    assert (outcome.kind, outcome.reason) == (kind, "why")


@pytest.mark.parametrize("ex", [ValueError("oh\n no"), KeyboardInterrupt(), RecursionError()])
def test_anything_else_is_a_bug_told_in_one_line(ex):
    outcome = attempts_that(fail(ex)).make(make_job(1))

    assert outcome.kind == "bug"
    assert outcome.reason.startswith(f"a bug in the plugin: {type(ex).__name__}")
    assert "\n" not in outcome.reason


@pytest.mark.parametrize("receipt", [{"a": 1, "b": [None, "x", {"c": 1.5}]}, {}, None])
def test_a_receipt_of_json_values_is_passed_on(receipt):
    assert attempts_that(lambda _: receipt).make(make_job(1)).receipt == receipt


@pytest.mark.parametrize(("source", "given"), [("wavix", {"id": 7}), ("callrouter", None)])
def test_an_alert_never_changes_the_message_of_the_one_before(source, given):
    seen = []
    job = make_job(1)._replace(source=source, receipt='{"id": 7}')

    attempts_that(lambda delivery: seen.append(delivery.receipt)).make(job)

    assert seen == [given]


@pytest.mark.parametrize("receipt", [object(), [1], "text", {"a": object()}, {"a": float("nan")}, {1, 2}])
def test_a_receipt_nobody_can_keep_does_not_undo_the_delivery(receipt):
    outcome = attempts_that(lambda _: receipt).make(make_job(1))

    assert (outcome.kind, outcome.receipt) == ("delivered", None)
    assert "was not kept" in outcome.reason


def test_an_answer_that_the_operator_calls_done_is_delivered_with_the_reason_and_no_receipt():
    outcome = attempts_that(fail(TakenAsDelivered("crm answered 409", status=409))).make(make_job(1))

    assert (outcome.kind, outcome.status, outcome.reason) == ("delivered", 409, "crm answered 409")
    assert outcome.receipt is None


def test_the_plugin_is_made_once():
    attempts = attempts_that(say, Text(text="{{ event.event_type }}"))

    for number in range(3):
        attempts.make(make_job(number))

    assert [text for _, text in said] == ["ringing"] * 3
    assert len({plugin for plugin, _ in said}) == 1


def test_a_rule_with_a_text_of_its_own_has_it_said_and_no_other_rule():
    attempts = attempts_that(say, Text(text="usual"), {"vip": Text(text="VIP {{ event.event_type }}")})

    for rule in ("vip", "rule", None, "vip"):
        attempts.make(make_job(1)._replace(rule=rule))

    assert [text for _, text in said] == ["VIP ringing", "usual", "usual", "VIP ringing"]
    assert len({plugin for plugin, _ in said}) == 2


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("rule", 'the template of "text" cannot be filled in: event has no "frm"'),
        ("vip", 'the template of "text" in rule "vip" cannot be filled in: it makes an empty text'),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_delivered_in_plain_words(rule, reason):
    attempts = attempts_that(say, Text(text="{{ event.frm }}"), {"vip": Text(text=" ")})

    outcome = attempts.make(make_job(1)._replace(rule=rule))

    assert (outcome.kind, outcome.unfilled) == ("delivered", True)
    assert outcome.reason == f"sent in plain words: {reason}"
    assert said[0][1].startswith("Ringing: call from an unknown number")


def test_a_delivery_in_the_operators_words_says_nothing_of_templates():
    outcome = attempts_that(say, Text(text="{{ event.event_type }}")).make(make_job(1))

    assert (outcome.kind, outcome.unfilled, outcome.reason) == ("delivered", False, None)


def test_a_body_that_is_no_event_does_not_stop_the_sender():
    outcome = attempts_that(lambda delivery: delivery.event["uuid"]).make(make_job(1)._replace(body=b"no json"))

    assert outcome.kind == "bug"


def test_an_alert_that_a_plugin_tells_in_its_own_way_is_no_failure_of_a_template():
    def fill(plugin, delivery):
        said.append((0, delivery.render(plugin.settings.text, fallback="own words")))

    body = b'{"uuid": "u", "event_type": "alert", "event_time": "2026-01-05T12:00:00Z", "event_payload": {}}'
    outcome = attempts_that(fill, Text(text=Template("{{ event.from }}"))).make(make_job(1, body=body))

    assert (outcome.kind, outcome.reason, outcome.unfilled, said) == ("delivered", None, False, [(0, "own words")])


@pytest.fixture
def recorder():
    with Recorder() as recorder:
        yield recorder


class Web(Settings):
    url: Secret


def post(plugin, delivery):
    plugin.http.request("POST", plugin.settings.url, body=b"x")


def test_the_answer_to_an_attempt_that_failed_comes_back_without_secrets(recorder):
    recorder.judge(lambda received: Reply(503, b"cannot POST /tokenInPath now", {"X-Request-Id": "r-7"}))

    outcome = attempts_that(post, Web(url=Secret(f"{recorder.url}tokenInPath"))).make(make_job(1))

    assert (outcome.kind, outcome.status) == ("temporary", 503)
    assert outcome.answer["body"] == "cannot POST <secret> now"
    assert outcome.answer["headers"]["x-request-id"] == "r-7"
    assert Decoder(Outcome).feed(encode([outcome])) == [outcome]


@pytest.mark.parametrize(("keep", "body"), [(False, None), (True, "queued")])
def test_of_what_was_accepted_the_status_is_kept_and_more_where_the_operator_wants_it(recorder, keep, body):
    recorder.judge(lambda received: Reply(202, b"queued"))

    outcome = attempts_that(post, Web(url=Secret(recorder.url)), keep_answers=keep).make(make_job(1))

    assert (outcome.kind, outcome.status) == ("delivered", 202)
    assert (outcome.answer and outcome.answer["body"]) == body


def test_a_plugin_that_does_not_like_a_200_shows_the_operator_why(recorder):
    def dislike(plugin, delivery):
        post(plugin, delivery)
        raise PermanentFailure("it said error")

    recorder.judge(lambda received: Reply(200, b'{"ok": false, "error": "no_such_list"}'))

    outcome = attempts_that(dislike, Web(url=Secret(recorder.url))).make(make_job(1))

    assert outcome.answer["body"] == '{"ok": false, "error": "no_such_list"}'


def test_an_answer_is_never_taken_for_that_of_a_later_attempt(recorder):
    answers = iter([Reply(503, b"busy")])
    recorder.judge(lambda received: next(answers))

    def once(plugin, delivery):
        if delivery.attempt > 1:
            raise TemporaryFailure("nothing was asked")
        post(plugin, delivery)

    attempts = attempts_that(once, Web(url=Secret(recorder.url)))

    assert attempts.make(make_job(1)).answer is not None
    assert attempts.make(make_job(1)._replace(attempt=2)).answer is None


def test_a_plugin_that_sends_mail_is_given_a_way_and_no_other_is():
    given = []

    class Post(Plugin[Settings]):
        type = "post"
        Settings = Settings
        uses_mail = True

        def deliver(self, delivery):
            given.append(self.mail)

    to = Destination(name="fast", plugin=Post, settings=Settings(), fingerprint="", disabled=None,
                     retry=RetryPolicy(), order="none")  # fmt: skip

    assert Attempts(to).make(make_job(1)).kind == "delivered"
    assert isinstance(given[0], SmtpMail)
    assert attempts_that(lambda plugin, _: plugin.mail, Settings()).make(make_job(1)).kind == "bug"


def test_mail_never_goes_past_a_proxy_that_somebody_has_named():
    class Post(Plugin[Settings]):
        type = "post"
        Settings = Settings
        uses_mail = True

        def deliver(self, delivery):
            raise AssertionError

    to = Destination(name="fast", plugin=Post, settings=Settings(), fingerprint="", disabled=None,
                     retry=RetryPolicy(), order="none", proxy=Secret("http://proxy.example:3128"))  # fmt: skip

    assert Attempts(to).make(make_job(1)).kind == "unusable"
