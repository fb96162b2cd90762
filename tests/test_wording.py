"""What is said of a call where nobody wrote a text."""

from __future__ import annotations

import pytest

from router.calls import MOST_COUNTED
from router.plugin import HEADLINE, PARTICULARS, story
from router.testing import make_delivery
from tests.harness.whole_calls import CALLS, deliveries, ends


def told(delivery, template=None):
    return delivery.render(template or story())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("answered", "✅ Answered call from +44 7700 900123\nto +44 20 7946 0958 · 2 Mar 14:05 · rang 7.9s · talked "
                     "2m 41s"),
        ("missed", "📵 Missed call from +44 7700 900123\nto +44 20 7946 0958 · 2 Mar 14:05 · rang 18s · call back "
                   "tel:+447700900123"),
        ("busy", "🚫 Call to +44 7700 900123, busy\nfrom +44 20 7946 0958 · 2 Mar 14:05 · rang 2.7s · sales-callback"),
        ("cancelled", "🚫 Call to +44 7700 900123, cancelled\nfrom +44 20 7946 0958 · 2 Mar 14:05 · rang 12s · "
                      "sales-callback"),
        ("third try", "📵 Missed call from +44 7700 900123, 3rd try of the day\nto +44 20 7946 0958 · 2 Mar 14:05 · "
                      "rang 18s · call back tel:+447700900123"),
        ("withheld number", "📵 Missed call from an unknown number\nto +44 20 7946 0958 · 2 Mar 14:05 · rang 18s"),
    ],
)  # fmt: skip
def test_a_call_that_is_over_reads_at_a_glance(call, text):
    [end] = deliveries(call, ends)

    assert told(end) == text


def test_a_call_that_goes_on_says_how_far_it_has_come():
    assert [told(each, HEADLINE) for each in deliveries("answered")[:3]] == [
        "📞 New call from +44 7700 900123",
        "🔔 Ringing: call from +44 7700 900123",
        "🟢 On the phone: call from +44 7700 900123",
    ]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ({"missed": False, "outcome": "machine"}, "🤖 Call from +44 7700 900123, answered by a machine"),
        ({"missed": False, "outcome": "unknown"}, "🚫 Call from +44 7700 900123, outcome unknown"),
        ({"missed": False, "outcome": "no_answer"}, "🚫 Call from +44 7700 900123, no answer"),
    ],
)
def test_every_outcome_has_its_words(call, text):
    assert told(make_delivery(call={**make_delivery().call, **call}), HEADLINE) == text


@pytest.mark.parametrize(
    ("calls", "missed", "text"),
    [
        (None, None, ""),
        (1, 1, ""),
        (2, 2, ", 2nd try of the day"),
        (2, 1, ", 2nd call of the day"),
        (11, 11, ", 11th try of the day"),
        (23, 7, ", 23rd call of the day"),
        (99, 99, ", 99th try of the day"),
        (MOST_COUNTED, 7, ", 100th or later call of the day"),
    ],
)
def test_a_missed_call_says_which_of_the_day_it_is_where_there_were_others(calls, missed, text):
    call = {**make_delivery().call, "calls_today": calls, "missed_today": missed}

    assert told(make_delivery(call=call), HEADLINE) == f"📵 Missed call from +44 7700 900123{text}"
    assert "of the day" not in told(make_delivery(call={**call, "missed": False, "outcome": "answered"}))


def test_a_correction_says_that_it_is_one():
    assert told(make_delivery("call_corrected"), HEADLINE).startswith("Correction: 📵 Missed call")


@pytest.mark.parametrize("call", list(CALLS))
def test_a_null_prints_as_nothing_in_every_event_of_every_call(call):
    for delivery in deliveries(call):
        text = told(delivery)
        assert delivery.unfilled == []
        assert "None" not in text
        assert "·  ·" not in text


def test_the_two_lines_are_also_to_be_had_one_by_one():
    delivery = make_delivery()

    assert told(delivery, story("<b>", "</b>")) == f"<b>{told(delivery, HEADLINE)}</b>\n{told(delivery, PARTICULARS)}"
