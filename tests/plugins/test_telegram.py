"""One message per call in Telegram, whatever order its events come in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from plugins.telegram import Telegram
from router.errors import AnswerLost, DestinationUnusable, PermanentFailure, TemporaryFailure
from router.plugin import Answer
from router.testing import HOSTILE, RecordingHttp, make_delivery
from tests.harness.judged import JudgedHttp
from tests.harness.recording import Reply
from tests.harness.telegram import CHAT, TOKEN, TelegramChat, error
from tests.harness.whole_calls import CALLS, deliveries, ends, tell


def telegram(http, **settings):
    return Telegram(Telegram.Settings.model_validate({"token": TOKEN, "chat": str(CHAT), **settings}), http)


def text(delivery, **settings):
    chat = TelegramChat()
    telegram(JudgedHttp(chat), **settings).deliver(delivery)
    [said] = chat.messages.values()
    return said


def test_a_missed_call_reads_at_a_glance_with_the_number_to_call_back():
    [end] = deliveries("missed", ends)

    assert text(end) == (
        "<b>📵 Missed call from +44 7700 900123</b>\n"
        "to +44 20 7946 0958 · 2 Mar 14:05 · rang 18s · call back +447700900123\n"
        "<i>calls · wavix · 5dccb6b0-f35c-488c-867b-86fb012c4415</i>"
    )


@pytest.mark.parametrize("call", list(CALLS))
def test_a_whole_call_leaves_one_message(call):
    chat = TelegramChat()

    tell(telegram(JudgedHttp(chat)), deliveries(call))

    assert len(chat.messages) == 1


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_answer_to_a_change_leaves_one_message(lost):
    chat = TelegramChat()

    tell(telegram(JudgedHttp(chat, {lost})), deliveries("answered"))

    [said] = chat.messages.values()
    assert said.startswith("<b>✅ Answered call")


def test_a_lost_answer_to_the_first_post_may_show_it_twice_and_only_the_second_goes_on():
    chat = TelegramChat()

    tell(telegram(JudgedHttp(chat, {0})), deliveries("answered"))

    first, second = chat.messages.values()
    assert first.startswith("<b>📞 New call")
    assert second.startswith("<b>✅ Answered call")


def test_a_late_or_replayed_event_never_moves_the_message_backwards():
    chat = TelegramChat()
    owed = deliveries("answered")
    made = telegram(JudgedHttp(chat))
    receipt = tell(made, owed)
    before = dict(chat.messages)

    for delivery in owed:
        receipt = made.deliver(replace(delivery, call=owed[-1].call, receipt=receipt))

    assert chat.messages == before


def test_what_is_said_already_is_not_sent_again():
    http = JudgedHttp(TelegramChat())
    made = telegram(http)

    receipt = made.deliver(make_delivery())

    assert made.deliver(make_delivery("completed", receipt=receipt)) == receipt
    assert len(http.requests) == 1


def test_a_message_somebody_deleted_is_posted_anew():
    chat = TelegramChat()
    owed = deliveries("missed")
    made = telegram(JudgedHttp(chat))
    receipt = tell(made, owed[:2])
    chat.messages.clear()

    made.deliver(replace(owed[-1], receipt=receipt))

    assert len(chat.messages) == 1


def test_after_a_move_to_another_chat_no_message_there_is_written_over():
    chat = TelegramChat()
    chat.messages[100] = "of somebody else"

    telegram(JudgedHttp(chat)).deliver(make_delivery(receipt={"chat": "-1", "id": 100, "said": 0}))

    assert chat.messages[100] == "of somebody else"
    assert len(chat.messages) == 2


@pytest.mark.parametrize("stranger", [*HOSTILE, "\U0001f600" * 5000, "<" * 5000, "<b>" * 2000, None])
@pytest.mark.parametrize("template", ["{{ event.tag }}{{ event.from }}.", "<b>{{ event.tag }}</b>.", None])
def test_no_text_of_a_stranger_makes_a_message_that_is_refused(stranger, template):
    delivery = make_delivery(event={"tag": stranger, "from": stranger}, rule=stranger)

    assert text(delivery, **({"text": template} if template else {}))
    assert delivery.unfilled == []


def test_a_link_with_words_keeps_its_number():
    said = text(make_delivery(), text="{{ event.from | link('call back') }}, {{ event.from | link }}")

    assert said.startswith("call back +447700900123, +447700900123\n")


@pytest.mark.parametrize("template", ["<b>{{ event.tag }} &amp; more", "<h1>{{ event.tag }} &amp; more</h1>"])
def test_a_mistake_in_the_operators_html_loses_no_news_and_is_told(template):
    delivery = make_delivery(event={"tag": "a <b>tag</b>"})

    said = text(delivery, text=template)

    assert said.startswith("a <b>tag</b> & more\n")
    assert "can't parse entities" in delivery.unfilled[0][1]


def test_no_address_in_a_message_is_previewed():
    http = JudgedHttp(TelegramChat())

    telegram(http).deliver(make_delivery())

    assert json.loads(http.requests[0].body)["link_preview_options"] == {"is_disabled": True}


@pytest.mark.parametrize(
    ("reply", "failure", "wait"),
    [
        (error(429, "Too Many Requests: retry after 35", retry_after=35), TemporaryFailure, 35.0),
        (error(500, "Internal Server Error"), TemporaryFailure, None),
        (Reply(502, b"<html>"), TemporaryFailure, None),
        (error(400, "Bad Request: message is too long"), PermanentFailure, None),
        (error(400, "Bad Request: chat not found"), DestinationUnusable, None),
        (error(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-100),
         DestinationUnusable, None),
        (error(400, "Bad Request: not enough rights to send text messages to the chat"), DestinationUnusable, None),
        (error(401, "Unauthorized"), DestinationUnusable, None),
        (error(403, "Forbidden: bot was kicked from the group chat"), DestinationUnusable, None),
        (error(404, "Not Found"), DestinationUnusable, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("receipt", [None, {"chat": str(CHAT), "id": 1, "said": 0}])
def test_each_answer_is_a_failure_of_its_class(reply, failure, wait, receipt):
    with pytest.raises(failure) as caught:
        telegram(JudgedHttp(TelegramChat(reply))).deliver(make_delivery(receipt=receipt))

    assert type(caught.value) is failure
    assert getattr(caught.value, "retry_after", None) == wait
    assert "s3cret" not in str(caught.value)


def test_a_change_that_changes_nothing_is_one_that_arrived():
    reply = error(400, "Bad Request: message is not modified")

    receipt = telegram(JudgedHttp(TelegramChat(reply))).deliver(
        make_delivery(receipt={"chat": str(CHAT), "id": 7, "said": 0})
    )

    assert receipt["id"] == 7


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"ok": true, "result": []}', b'{"result": {"message_id": "x"}}'])
def test_an_answer_without_an_id_may_have_been_a_post(body):
    with pytest.raises(AnswerLost):
        telegram(RecordingHttp(Answer(200, {}, body))).deliver(make_delivery())


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"token": "AAE"}, "@BotFather"),
        ({"token": f"{TOKEN}/x"}, "@BotFather"),
        ({"chat": "sales"}, "a chat is a number"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_to_write(settings, why):
    with pytest.raises(ValueError, match=why):
        Telegram.Settings.model_validate({"token": TOKEN, "chat": "1", **settings})
