"""What each status means for a delivery."""

from __future__ import annotations

import pytest

from router.errors import DestinationUnusable, PermanentFailure, TemporaryFailure
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
