"""What people read in Teams: one card for each delivery, which is whole before it is sent."""

from __future__ import annotations

import jsonschema
import pytest

from plugins.teams import Teams
from router.errors import DestinationUnusable, PermanentFailure, TemporaryFailure
from router.testing import HOSTILE, make_delivery
from tests.harness import specs
from tests.harness.judged import JudgedHttp
from tests.harness.recording import Reply
from tests.harness.teams import Workflow, read
from tests.harness.whole_calls import CALLS, deliveries, ends, tell

URL = "https://prod-01.westeurope.logic.azure.com/workflows/1/triggers/manual/paths/invoke?sig=s3cret"


def teams(api, **settings):
    return Teams(Teams.Settings.model_validate({"url": URL, **settings}), JudgedHttp(api))


def card(delivery, **settings):
    api = Workflow()
    teams(api, **settings).deliver(delivery)
    assert api.failed == []
    return api.cards[0]


def test_a_missed_call_reads_at_a_glance_and_can_be_called_back():
    [end] = deliveries("missed", ends)

    made = card(end)

    assert read(made) == (
        "📵 Missed call from +44 7700 900123\n"
        "to +44 20 7946 0958 · 2 Mar 14:05 · rang 18s · call back [+44 7700 900123](tel:+447700900123)"
    )
    assert made["fallbackText"] == "📵 Missed call from +44 7700 900123"
    assert made["body"][0]["color"] == "attention"
    assert made["body"][-1]["text"] == "calls · wavix · 5dccb6b0-f35c-488c-867b-86fb012c4415"


def test_a_card_that_comes_late_says_so():
    delivery = make_delivery(attempted_at=make_delivery().accepted_at + 7200)

    assert card(delivery)["body"][-1]["text"].startswith("told 120 min late · ")


@pytest.mark.parametrize("call", list(CALLS))
def test_the_end_of_a_whole_call_is_one_card(call):
    api = Workflow()

    tell(teams(api), deliveries(call, ends))

    assert (len(api.cards), api.failed) == (1, [])


@pytest.mark.parametrize("call", list(CALLS))
def test_every_event_of_a_whole_call_is_a_card_that_can_be_shown(call):
    api = Workflow()
    owed = deliveries(call)

    tell(teams(api), owed)

    assert (len(api.cards), api.failed) == (len(owed), [])


@pytest.mark.parametrize("call", list(CALLS))
def test_the_published_schema_of_adaptive_cards_finds_no_fault(call):
    schema = specs.load("adaptive-card-1.4.0.json")
    api = Workflow()

    tell(teams(api), deliveries(call))

    for each in api.cards:
        jsonschema.Draft6Validator(schema).validate({name: value for name, value in each.items() if name != "msteams"})


@pytest.mark.parametrize("text", [*HOSTILE, "\U0001f600" * 20_000, "[" * 20_000, None])
def test_no_text_of_a_stranger_makes_a_card_that_is_lost_after_the_202(text):
    card(make_delivery(event={"tag": text, "from": text}, rule=text), text="{{ event.tag }} {{ event.from }}.")


def test_no_text_of_a_stranger_becomes_a_link_or_a_line_of_its_own():
    made = card(
        make_delivery(event={"tag": "[pay](https://evil.example)\n# **now** <at>all</at>"}), text="{{ event.tag }}"
    )

    assert read(made) == r"\[pay\](https://evil.example) # \*\*now\*\* \<at\>all\</at\>"


@pytest.mark.parametrize("length", range(4960, 5010, 7))
def test_a_link_is_not_cut_in_half(length):
    text = read(card(make_delivery(event={"tag": "x" * length}), text="{{ event.tag }} {{ event.from | link }}"))

    assert len(text) <= 5000
    assert text.count("[") == text.count("](tel:+447700900123)")


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (Reply(429, b"", {"Retry-After": "3"}), TemporaryFailure),
        (Reply(500, b""), TemporaryFailure),
        (Reply(502, b""), TemporaryFailure),
        (Reply(400, b'{"error": {"code": "TriggerInputSchemaMismatch"}}'), PermanentFailure),
        (Reply(400, b'{"error": {"code": "WorkflowTriggerIsNotEnabled"}}'), DestinationUnusable),
        (Reply(401, b'{"error": {"code": "DirectApiAuthorizationRequired"}}'), DestinationUnusable),
        (Reply(403, b""), DestinationUnusable),
        (Reply(404, b'{"error": {"code": "WorkflowNotFound"}}'), DestinationUnusable),
        (Reply(413, b""), PermanentFailure),
    ],
)
def test_each_answer_is_a_failure_of_its_class(reply, failure):
    with pytest.raises(failure) as caught:
        teams(Workflow(reply)).deliver(make_delivery())

    assert type(caught.value) is failure
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://acme.webhook.office.com/webhookb2/x", "switched those off"),
        ("https://outlook.office.com/webhook/x", "switched those off"),
        ("prod-01.logic.azure.com", "starts with https://"),
    ],
)
def test_an_address_that_cannot_work_is_refused_with_what_to_do(url, why):
    with pytest.raises(ValueError, match=why):
        Teams.Settings.model_validate({"url": url})
