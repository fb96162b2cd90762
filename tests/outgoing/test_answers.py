"""What each status means for a delivery."""

from __future__ import annotations

import pytest

from router.errors import DestinationUnusable, PermanentFailure, TakenAsDelivered, TemporaryFailure
from router.outgoing import Redaction
from router.outgoing.answers import EXCERPT, LONGEST_RETRY_AFTER, excerpt, failure, retry_after

NOON = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, PermanentFailure),  # a redirect would carry the event to a stranger
        (304, PermanentFailure),
        (307, PermanentFailure),
        (400, PermanentFailure),
        (401, DestinationUnusable),
        (402, PermanentFailure),
        (403, DestinationUnusable),
        (404, PermanentFailure),
        (405, PermanentFailure),
        (407, DestinationUnusable),
        (408, TemporaryFailure),
        (409, PermanentFailure),
        (410, DestinationUnusable),
        (413, PermanentFailure),
        (422, PermanentFailure),
        (425, TemporaryFailure),
        (429, TemporaryFailure),
        (500, TemporaryFailure),
        (501, TemporaryFailure),
        (502, TemporaryFailure),
        (503, TemporaryFailure),
        (504, TemporaryFailure),
        (599, TemporaryFailure),
    ],
)
def test_a_status_decides_what_becomes_of_the_delivery(status, kind):
    result = failure("crm.example", status, {}, "", now=NOON)

    assert type(result) is kind
    assert result.status == status
    assert str(result).startswith(f"crm.example answered {status}")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        ("1.5", 1.5),
        ("0", None),
        ("-5", None),
        ("nan", None),
        ("soon", None),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", None),
        ("Tuesday, 14-Nov-23 22:14:20 GMT", 60.0),
        ("Tue Nov 14 22:14:20 2023", 60.0),  # names no zone and means UTC
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60.0),
        ("Tue, 99 Nov 2023 22:00:00 GMT", None),
        ("999999", LONGEST_RETRY_AFTER),
        ("inf", LONGEST_RETRY_AFTER),
        ("Tue, 14 Nov 2099 22:00:00 GMT", LONGEST_RETRY_AFTER),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_and_capped(value, seconds):
    assert retry_after(value, NOON) == seconds


@pytest.mark.parametrize("status", [429, 503])
def test_a_wish_to_be_asked_later_is_passed_on(status):
    result = failure("crm.example", status, {"retry-after": "7"}, "", now=NOON)

    assert isinstance(result, TemporaryFailure)
    assert result.retry_after == 7


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("done", TakenAsDelivered),
        ("again", TemporaryFailure),
        ("dead", PermanentFailure),
        ("pause", DestinationUnusable),
    ],
)
@pytest.mark.parametrize("status", [302, 401, 404, 409, 429, 503])
def test_the_operator_may_say_what_a_status_means_here(status, word, kind):
    result = failure("crm.example", status, {}, "said", now=NOON, answers={status: word})

    assert type(result) is kind
    assert result.status == status
    assert result.reason.endswith(f'("{word}", by answers: of the destination)')


def test_what_the_operator_says_of_one_status_changes_no_other():
    assert type(failure("crm.example", 404, {}, "", now=NOON, answers={409: "done"})) is PermanentFailure


def test_a_status_that_is_tried_again_by_order_waits_as_long_as_it_asks():
    result = failure("crm.example", 404, {"retry-after": "7"}, "", now=NOON, answers={404: "again"})

    assert isinstance(result, TemporaryFailure)
    assert result.retry_after == 7


def test_a_redirect_names_the_new_host_and_no_more_of_the_new_place():
    result = failure("crm.example", 302, {"location": "https://new.example/hook?token=geheim"}, "", now=NOON)

    assert "new.example" in str(result)
    assert "geheim" not in str(result)
    assert "/hook" not in str(result)


def test_an_excerpt_is_one_short_printable_line():
    line = excerpt(b"<h1>Sorry\x1b[31m</h1>\r\n\xff\x00 try later " + b"x" * 5000, Redaction([]))

    assert line.startswith("<h1>Sorry [31m</h1> � try later xxx")
    assert line.isprintable()
    assert len(line) == EXCERPT


@pytest.mark.parametrize("shift", range(0, 40, 3))
def test_an_excerpt_shows_no_half_of_a_secret(shift):
    secret = "abcdefghijklmnopqrstuvwxyz0123456789ABCD"

    line = excerpt(b"." * shift + secret.encode() * 1000, Redaction([secret]))

    assert line.replace("<secret>", "").rstrip("…<secrt>") == "." * shift
