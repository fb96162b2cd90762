"""What people read in Slack, and what its incoming webhooks make of it."""

from __future__ import annotations

import pytest

from plugins.slack import Slack
from plugins.slack.blocks import MAX_SECTION
from router.errors import DestinationUnusable, PermanentFailure, TemporaryFailure
from router.testing import RecordingHttp, make_delivery
from tests.harness.judged import JudgedHttp
from tests.harness.recording import Reply
from tests.harness.slack import slack
from tests.harness.whole_calls import CALLS, deliveries, ends, tell

URL = "https://hooks.slack.com/services/T0/B0/xyz"


def sent(delivery=None, **settings):
    http = RecordingHttp()
    Slack(Slack.Settings.model_validate({"url": URL, **settings}), http).deliver(delivery or make_delivery())
    [request] = http.requests
    assert (request.method, request.url) == ("POST", URL)
    return request.json


def test_a_missed_call_reads_at_a_glance_and_can_be_called_back():
    assert sent()["text"] == (
        "*📵 Missed call from +44 7700 900123*\n"
        "to +44 20 7946 0958 · 2 Mar 14:05 · rang 18s · call back <tel:+447700900123|+44 7700 900123>"
    )


@pytest.mark.parametrize("settings", [{}, {"text": "Missed call from {{ event.from | phone }}"}])
def test_an_alert_is_its_sentence_whatever_is_said_of_calls(settings):
    payload = {"sentence": "3 dead letters at <crm> since 14:05: no. See: callrouter status"}

    message = sent(make_delivery("alert", event={"event_payload": payload}, rule=None), **settings)

    assert message["text"] == "callrouter: 3 dead letters at &lt;crm&gt; since 14:05: no. See: callrouter status"


def test_the_text_stands_in_a_section_and_again_for_notifications():
    message = sent(make_delivery(), text="Missed: {{ event.from }}")

    assert message == {
        "text": "Missed: +447700900123",
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": "Missed: +447700900123"}},
            {
                "type": "context",
                "elements": [{"type": "mrkdwn", "text": "missed-calls · test · 5dccb6b0-f35c-488c-867b-86fb012c4415"}],
            },
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_a_message_that_comes_late_says_so():
    message = sent(make_delivery(attempted_at=make_delivery().accepted_at + 7200))

    assert message["blocks"][1]["elements"][0]["text"].startswith("told 120 min late · ")


@pytest.mark.parametrize("settings", [{}, {"text": "{{ event.tag }}"}])
def test_no_text_from_an_event_can_page_a_channel_or_hide_a_link(settings):
    message = sent(make_delivery(event={"tag": "<!channel> & <https://evil|bank>"}, rule="<!here>"), **settings)

    assert "<" not in str(message).replace("<tel:+447700900123|+44 7700 900123>", "")
    assert "&lt;!channel&gt; &amp; &lt;https://evil|bank&gt;" in message["text"]


def test_the_operators_own_text_may_use_what_slack_offers():
    assert sent(text="<!here> {{ event.tag }}!")["text"] == "<!here> !"


@pytest.mark.parametrize("length", [2996, 2997, 2998, 2999, 3000, 3001, 9000])
def test_a_long_text_is_cut_and_never_inside_an_entity(length):
    text = sent(make_delivery(event={"tag": "x" * length + "&" * 20}), text="{{ event.tag }}")["text"]

    assert len(text) <= MAX_SECTION
    assert "&" not in text.replace("&amp;", "")
    assert text.endswith("…")


@pytest.mark.parametrize("text", ["{{ event.tag }}  ", "{{ event.frm }}", "{{ event.event_payload.type.name }}"])
def test_a_template_that_cannot_be_filled_in_still_tells_people_of_the_call(text):
    message = sent(make_delivery(event={"from": "<!here>"}, facts={"from_number": None}), text=text)

    assert message["text"] == "Missed call from &lt;!here&gt; to +44 20 7946 0958, 2 Mar 14:05"


def test_a_link_is_one_that_slack_opens_and_what_is_written_on_it_is_disarmed():
    message = sent(
        make_delivery(event={"tag": "<!here>|x"}),
        text="Call {{ event.from | link }}, {{ event.to | link(event.tag) }}, {{ event.tag | link }}",
    )

    assert message["text"] == (
        "Call <tel:+447700900123|+44 7700 900123>, <tel:+442079460958|&lt;!here&gt;|x>, &lt;!here&gt;|x"
    )


def test_a_link_is_not_cut_in_half():
    text = sent(make_delivery(event={"tag": "x" * 2980}), text="{{ event.tag }} {{ event.from | link }}")["text"]

    assert len(text) <= MAX_SECTION
    assert text.endswith("x …")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "no_service"),
        (404, "channel_not_found"),
        (404, "whatever"),
        (400, "invalid_token"),
        (400, "team_disabled"),
        (400, "channel_is_archived"),
    ],
)
def test_a_webhook_that_is_no_more_pauses_the_destination(status, said):
    http = RecordingHttp(PermanentFailure(f"hooks.slack.com answered {status}: {said}", status=status))

    with pytest.raises(DestinationUnusable, match=said) as caught:
        Slack(Slack.Settings.model_validate({"url": URL}), http).deliver(make_delivery())

    assert caught.value.status == status


@pytest.mark.parametrize("said", ["invalid_payload", "user_not_found", "no_text", "invalid_blocks"])
def test_a_message_slack_refuses_is_a_dead_letter(said):
    http = RecordingHttp(PermanentFailure(f"hooks.slack.com answered 400 Bad Request: {said}", status=400))

    with pytest.raises(PermanentFailure, match=said):
        Slack(Slack.Settings.model_validate({"url": URL}), http).deliver(make_delivery())


def test_an_incoming_webhook_gets_a_message_for_each_event_and_keeps_no_receipt():
    http = JudgedHttp(slack)
    made = Slack(Slack.Settings.model_validate({"url": URL}), http)

    assert tell(made, deliveries("missed")) is None
    assert [reply.body for reply in http.replies] == [b"ok"] * 4


@pytest.mark.parametrize("call", list(CALLS))
def test_the_end_of_a_whole_call_is_one_message(call):
    http = JudgedHttp(slack)

    tell(Slack(Slack.Settings.model_validate({"url": URL}), http), deliveries(call, ends))

    assert [reply.status for reply in http.replies] == [200]


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (Reply(429, b"", {"Retry-After": "3"}), TemporaryFailure),
        (Reply(500, b"rollup_error"), TemporaryFailure),
        (Reply(400, b"invalid_payload"), PermanentFailure),
        (Reply(403, b"action_prohibited"), DestinationUnusable),
        (Reply(404, b"channel_not_found"), DestinationUnusable),
        (Reply(410, b"channel_is_archived"), DestinationUnusable),
    ],
)
def test_each_answer_of_a_webhook_is_a_failure_of_its_class(reply, failure):
    with pytest.raises(failure) as caught:
        Slack(Slack.Settings.model_validate({"url": URL}), JudgedHttp(lambda _: reply)).deliver(make_delivery())

    assert type(caught.value) is failure
