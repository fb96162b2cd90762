"""One message per call in Slack, whatever order its events come in and whatever is lost on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from slack_sdk.models.blocks import Block

from plugins.slack import Slack
from router.errors import AnswerLost, DestinationUnusable, PermanentFailure, TemporaryFailure
from router.plugin import Answer
from router.testing import HOSTILE, RecordingHttp, check_plugin, make_delivery
from tests.harness import specs
from tests.harness.judged import JudgedHttp
from tests.harness.slack_api import CHANNEL, TOKEN, SlackApi
from tests.harness.whole_calls import CALLS, deliveries, tell

SETTINGS = {"token": TOKEN, "channel": CHANNEL}


def bot(api, lose=frozenset(), **settings):
    return Slack(Slack.Settings.model_validate({**SETTINGS, **settings}), JudgedHttp(api, lose))


def test_a_bot_keeps_the_contract():
    assert check_plugin(Slack, SETTINGS, Answer(200, {}, b'{"ok": true, "ts": "1.2"}')) == []


@pytest.mark.parametrize("call", list(CALLS))
def test_a_whole_call_leaves_one_message(call):
    api = SlackApi()

    tell(bot(api), deliveries(call))

    assert len(api.channel) == 1
    assert api.thread() == []


def test_the_message_says_how_the_call_stands_after_each_event():
    api = SlackApi()
    made, receipt, said = bot(api), None, []

    for delivery in deliveries("answered"):
        receipt = made.deliver(replace(delivery, receipt=receipt))
        said.append(api.channel[0])

    told = "from +44 7700 900123*\nto +44 20 7946 0958 · 2 Mar 14:05"
    assert said == [
        f"*📞 New call {told}",
        f"*🔔 Ringing: call {told}",
        f"*🟢 On the phone: call {told} · rang 7.9s",
        *[f"*✅ Answered call {told} · rang 7.9s · talked 2m 41s"] * 2,
    ]


def test_a_late_or_replayed_event_never_moves_the_message_backwards():
    api = SlackApi()
    owed = deliveries("answered")
    made = bot(api)
    receipt = tell(made, owed)
    [before] = api.channel

    for delivery in owed:
        receipt = made.deliver(replace(delivery, call=owed[-1].call, receipt=receipt))

    assert api.channel == [before]


def test_what_is_said_already_is_not_sent_again():
    http = RecordingHttp(Answer(200, {}, b'{"ok": true, "ts": "1.2"}'))
    made = Slack(Slack.Settings.model_validate(SETTINGS), http)

    receipt = made.deliver(make_delivery())

    assert made.deliver(make_delivery("completed", receipt=receipt)) == receipt
    assert len(http.requests) == 1


@pytest.mark.parametrize("call", list(CALLS))
def test_a_thread_per_call_has_one_message_in_the_channel_and_the_way_there_below_it(call):
    api = SlackApi()

    tell(bot(api, each_call="thread"), deliveries(call))

    assert len(api.channel) == 1
    assert len(api.thread()) == len(set(api.thread())) >= 1
    assert api.thread()[-1] == api.channel[0]


@pytest.mark.parametrize("lost", range(5))
def test_a_lost_answer_leaves_one_message_all_the_same(lost):
    api = SlackApi()

    tell(bot(api, lose={lost}), deliveries("answered"))

    assert len(api.channel) == 1
    assert api.channel[0].startswith("*✅ Answered call")


def test_a_message_that_is_found_again_is_not_said_in_its_thread_as_well():
    api = SlackApi()

    tell(bot(api, lose={0}, each_call="thread"), deliveries("answered"))

    assert len(api.channel) == 1
    assert api.thread()[0].startswith("*🔔 Ringing")


def test_a_bot_that_may_not_look_posts_again_after_a_lost_answer():
    api = SlackApi()
    api.may_look = False

    tell(bot(api, lose={0}), deliveries("missed"))

    assert len(api.channel) == 2
    assert api.channel[1].startswith("*📵 Missed call")


def test_the_lost_message_of_another_call_is_not_taken_for_this_one():
    api = SlackApi()
    [first, *_] = deliveries("missed")
    made = bot(api)
    made.deliver(first)

    other = {**first.call, "uuid": "another"}
    made.deliver(replace(first, call=other, attempt=2))

    assert len(api.channel) == 2


def test_a_message_somebody_deleted_is_posted_anew():
    api = SlackApi()
    owed = deliveries("missed")
    made = bot(api)
    receipt = tell(made, owed[:2])
    api.messages.clear()

    made.deliver(replace(owed[-1], receipt=receipt))

    assert len(api.channel) == 1


def test_a_limit_is_waited_for_as_long_as_slack_asks():
    api = SlackApi()
    api.limit = 1

    with pytest.raises(TemporaryFailure) as caught:
        bot(api).deliver(make_delivery())

    assert (caught.value.status, caught.value.retry_after) == (429, 7.0)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        *[(error, TemporaryFailure) for error in ("ratelimited", "rate_limited", "internal_error", "request_timeout",
                                                  "service_unavailable")],
        ("fatal_error", AnswerLost),
        *[(error, DestinationUnusable) for error in ("invalid_auth", "not_authed", "account_inactive", "token_revoked",
                                                     "missing_scope", "channel_not_found", "not_in_channel",
                                                     "is_archived")],
        *[(error, PermanentFailure) for error in ("msg_too_long", "no_text", "invalid_blocks", "too_many_attachments",
                                                  "msg_blocks_too_long", "never_heard_of")],
    ],
)  # fmt: skip
def test_each_error_told_with_status_200_is_a_failure_of_its_class(error, failure):
    api = SlackApi()
    api.refuse = error

    with pytest.raises(failure, match=error) as caught:
        bot(api).deliver(make_delivery())

    assert type(caught.value) is failure
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"ok": true}', b'{"ok": false, "error": {}}'])
def test_an_answer_that_is_none_may_have_been_a_post(body):
    with pytest.raises(AnswerLost):
        Slack(Slack.Settings.model_validate(SETTINGS), RecordingHttp(Answer(200, {}, body))).deliver(make_delivery())


@pytest.mark.parametrize("text", [*HOSTILE, None])
def test_slacks_own_library_finds_no_fault_with_the_blocks(text):
    api = SlackApi()
    http = JudgedHttp(api)
    made = Slack(Slack.Settings.model_validate(SETTINGS), http)

    made.deliver(make_delivery(event={"tag": text}, call={**make_delivery().call, "tag": text, "from": text or ""}))

    [message] = api.messages.values()
    assert len(message["blocks"]) == 2
    for each in message["blocks"]:
        block = Block.parse(each)
        assert block is not None
        block.validate_json()
    assert "<!" not in message["text"]


def test_the_published_spec_knows_every_argument():
    spec = specs.load("slack/slack_web_openapi_v2.json")
    http = JudgedHttp(SlackApi())

    tell(Slack(Slack.Settings.model_validate({**SETTINGS, "each_call": "thread"}), http), deliveries("answered"))

    for request in http.requests:
        parameters = spec["paths"][request.path.removeprefix("https://slack.com/api")]["post"]["parameters"]
        # The spec is of 2021; metadata came in 2022.
        assert set(request.json()) - {"metadata"} <= {parameter["name"] for parameter in parameters}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "either the url"),
        ({"url": "https://hooks.slack.com/x", "token": TOKEN, "channel": CHANNEL}, "either the url"),
        ({"token": TOKEN}, "belong together"),
        ({"url": "https://hooks.slack.com/x", "channel": CHANNEL}, "belong together"),
        ({"token": "1234", "channel": CHANNEL}, "starts with xoxb-"),
        ({"token": TOKEN, "channel": "#general"}, "the id of a channel"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_to_write(settings, why):
    with pytest.raises(ValueError, match=why):
        Slack.Settings.model_validate(settings)
