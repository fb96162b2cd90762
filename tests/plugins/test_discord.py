"""One message per call in Discord, whatever order its events come in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from plugins.discord import Discord
from router.errors import AnswerLost, DestinationUnusable, PermanentFailure, TemporaryFailure
from router.plugin import Answer
from router.testing import HOSTILE, RecordingHttp, make_delivery
from tests.harness import specs
from tests.harness.discord import URL, DiscordChannel, error, limited
from tests.harness.judged import JudgedHttp
from tests.harness.recording import Reply
from tests.harness.whole_calls import CALLS, deliveries, ends, tell


def discord(http, **settings):
    return Discord(Discord.Settings.model_validate({"url": URL, **settings}), http)


def content(delivery, **settings):
    channel = DiscordChannel()
    discord(JudgedHttp(channel), **settings).deliver(delivery)
    [text] = channel.messages.values()
    return text


def test_a_missed_call_reads_at_a_glance_with_the_number_to_call_back():
    [end] = deliveries("missed", ends)

    assert content(end) == (
        "**📵 Missed call from +44 7700 900123**\n"
        "to +44 20 7946 0958 · 2 Mar 14:05 · rang 18s · call back +447700900123\n"
        "-# calls · wavix · 5dccb6b0-f35c-488c-867b-86fb012c4415"
    )


@pytest.mark.parametrize("call", list(CALLS))
def test_a_whole_call_leaves_one_message(call):
    channel = DiscordChannel()

    tell(discord(JudgedHttp(channel)), deliveries(call))

    assert len(channel.messages) == 1


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_answer_to_a_change_leaves_one_message(lost):
    channel = DiscordChannel()

    tell(discord(JudgedHttp(channel, {lost})), deliveries("answered"))

    [text] = channel.messages.values()
    assert text.startswith("**✅ Answered call")


def test_a_lost_answer_to_the_first_post_may_show_it_twice_and_only_the_second_goes_on():
    channel = DiscordChannel()

    tell(discord(JudgedHttp(channel, {0})), deliveries("answered"))

    first, second = channel.messages.values()
    assert first.startswith("**📞 New call")
    assert second.startswith("**✅ Answered call")


def test_a_late_or_replayed_event_never_moves_the_message_backwards():
    channel = DiscordChannel()
    owed = deliveries("answered")
    made = discord(JudgedHttp(channel))
    receipt = tell(made, owed)
    before = dict(channel.messages)

    for delivery in owed:
        receipt = made.deliver(replace(delivery, call=owed[-1].call, receipt=receipt))

    assert channel.messages == before


def test_what_is_said_already_is_not_sent_again():
    http = JudgedHttp(DiscordChannel())
    made = discord(http)

    receipt = made.deliver(make_delivery())

    assert made.deliver(make_delivery("completed", receipt=receipt)) == receipt
    assert len(http.requests) == 1


def test_a_message_somebody_deleted_is_posted_anew():
    channel = DiscordChannel()
    owed = deliveries("missed")
    made = discord(JudgedHttp(channel))
    receipt = tell(made, owed[:2])
    channel.messages.clear()

    made.deliver(replace(owed[-1], receipt=receipt))

    assert len(channel.messages) == 1


@pytest.mark.parametrize("text", [*HOSTILE, "\U0001f600" * 3000, "*" * 3000, None])
def test_no_text_of_a_stranger_makes_a_message_that_is_refused(text):
    delivery = make_delivery(event={"tag": text, "from": text}, rule=text)

    assert content(delivery, text="{{ event.tag }}{{ event.from }}.")


def test_no_text_of_a_stranger_is_read_as_markdown_and_nobody_is_paged():
    http = JudgedHttp(DiscordChannel())

    discord(http, text="{{ event.tag }}").deliver(
        make_delivery(event={"tag": "@everyone <@1> [pay](https://evil) **x**\n# y"}, rule=None)
    )

    message = json.loads(http.requests[0].body)
    assert message["content"].startswith(r"\@everyone \<\@1\> \[pay\](https://evil) \*\*x\*\* \# y" + "\n")
    assert message["allowed_mentions"] == {"parse": []}


def test_a_link_with_words_keeps_its_number():
    text = content(make_delivery(), text="{{ event.from | link('call back') }}, {{ event.from | link }}")

    assert text.startswith("call back +447700900123, +447700900123\n")


@pytest.mark.parametrize("call", list(CALLS))
def test_discords_own_spec_finds_no_fault(call):
    spec = specs.load("discord.json")
    http = JudgedHttp(DiscordChannel())

    tell(discord(http), deliveries(call))

    for request in http.requests:
        place = "/webhooks/{webhook_id}/{webhook_token}"
        path = place if request.method == "POST" else f"{place}/messages/{{message_id}}"
        specs.check_body(spec, path, request.method.lower(), json.loads(request.body))


@pytest.mark.parametrize(
    ("reply", "failure", "wait"),
    [
        (limited(64.57, {"Retry-After": "65"}), TemporaryFailure, 65.0),
        (limited(64.57, {}), TemporaryFailure, 64.57),
        (Reply(429, b"error code: 1015"), TemporaryFailure, None),
        (Reply(502, b""), TemporaryFailure, None),
        (error(400, "Invalid Form Body", 50035), PermanentFailure, None),
        (error(400, "Cannot send an empty message", 50006), PermanentFailure, None),
        (error(400, "Webhooks posted to forum channels must have a thread_name or thread_id", 220001), PermanentFailure,
         None),
        (error(401, "Invalid Webhook Token", 50027), DestinationUnusable, None),
        (error(403, "Missing Access", 50001), DestinationUnusable, None),
        (error(404, "Unknown Webhook", 10015), DestinationUnusable, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("receipt", [None, {"id": "1", "said": 0}])
def test_each_answer_is_a_failure_of_its_class(reply, failure, wait, receipt):
    with pytest.raises(failure) as caught:
        discord(JudgedHttp(DiscordChannel(reply))).deliver(make_delivery(receipt=receipt))

    assert type(caught.value) is failure
    assert getattr(caught.value, "retry_after", None) == wait
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": 7}'])
def test_an_answer_without_an_id_may_have_been_a_post(body):
    with pytest.raises(AnswerLost):
        discord(RecordingHttp(Answer(200, {}, body))).deliver(make_delivery())


def test_an_address_of_something_else_is_refused():
    with pytest.raises(ValueError, match=r"starts with https://discord\.com"):
        Discord.Settings.model_validate({"url": "https://discord.com/channels/1/2"})
