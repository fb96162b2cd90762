"""What stands in a record where nobody wrote a text."""

from __future__ import annotations

import pytest

from router.calls import MOST_COUNTED
from router.crm.plugin import CrmSettings
from tests.harness.whole_calls import CALLS, deliveries, ends

PARTIES = "From +44 7700 900123 to +44 20 7946 0958\n"


@pytest.mark.parametrize(
    ("call", "title", "note"),
    [
        ("missed", "Missed call from +44 7700 900123", f"{PARTIES}Outcome: missed\nRang 18s"),
        ("third try", "Missed call from +44 7700 900123", f"{PARTIES}Outcome: missed\n3rd try of the day\nRang 18s"),
        (
            "answered",
            "Call from +44 7700 900123",
            f"{PARTIES}Outcome: answered\nRang 7.9s\nTalked 2m 41s",
        ),
    ],
)
def test_a_record_tells_the_call(call, title, note):
    [end] = deliveries(call, ends)

    assert (end.render(CrmSettings().title), end.render(CrmSettings().note)) == (title, note)


def test_where_an_earlier_call_was_answered_it_is_the_next_call_and_no_try():
    [end] = deliveries("third try", ends)
    end.call["missed_today"] = 2  # type: ignore[index]  # it was made for this test

    assert "\n3rd call of the day\n" in end.render(CrmSettings().note)


@pytest.mark.parametrize("call", list(CALLS))
def test_a_null_writes_nothing_into_a_record(call):
    for delivery in deliveries(call):
        text = delivery.render(CrmSettings().title) + delivery.render(CrmSettings().note)
        assert delivery.unfilled == []
        assert "None" not in text


def test_where_counting_stops_the_record_says_so():
    [end] = deliveries("third try", ends)
    end.call["calls_today"] = MOST_COUNTED  # type: ignore[index]  # it was made for this test

    assert "\n100th or later call of the day\n" in end.render(CrmSettings().note)
