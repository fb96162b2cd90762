"""What counts as a phone number, and what it is then."""

from __future__ import annotations

import pytest

from router import phone


@pytest.mark.parametrize(
    ("text", "region", "e164"),
    [
        ("+18045961058", None, "+18045961058"),
        ("17653889567", None, "+17653889567"),
        ("17653889567", "GB", "+17653889567"),
        ("33170363950", "US", "+33170363950"),
        ("020 7946 0123", "GB", "+442079460123"),
        ("8045961058", "US", "+18045961058"),
        ("0033170363950", "FR", "+33170363950"),
        ("01133170363950", "US", "+33170363950"),
        (" +44 (20) 7946-0123 ", None, "+442079460123"),
        ("+390236618300", None, "+390236618300"),
    ],
)
def test_a_number_is_understood_with_or_without_its_plus(text, region, e164):
    number = phone.parse(text, region)

    assert number is not None
    assert str(number) == number.e164 == e164


@pytest.mark.parametrize("region", [None, "GB", "US"])
@pytest.mark.parametrize(
    "text",
    ["", " ", "+", "anonymous", "sip:alice@example.com", "1001", "+1001", "999", "1800FLOWERS", "+44207946012345678",
     "+442079460123;ext=5", "\ud800", "*31#", "+44" + " " * 40 + "2079460123"],
)  # fmt: skip
def test_what_is_no_number_is_none(text, region):
    assert phone.parse(text, region) is None


def test_a_national_number_without_a_region_is_none():
    assert phone.parse("020 7946 0123", None) is None


def test_a_number_knows_its_spellings_and_its_country():
    assert phone.parse("+442079460123", None) == phone.Number(
        e164="+442079460123", national="020 7946 0123", international="+44 20 7946 0123", country="GB"
    )


@pytest.mark.parametrize("text", ["+80012345678", "+881612345678"])
def test_freephone_and_satellites_belong_to_no_country(text):
    number = phone.parse(text, None)

    assert number is not None
    assert number.country is None


def test_a_range_too_new_for_the_tables_is_taken_at_its_word_when_the_plus_is_the_senders_own():
    number = phone.parse("+447700900123", None)

    assert number is not None
    assert (number.e164, number.country) == ("+447700900123", "GB")


@pytest.mark.parametrize(
    ("text", "region", "likeness"),
    [
        ("+442079460123", None, "same"),
        ("020 7946 0123", "GB", "same"),
        ("Tel. +44 20 7946 0123", None, "same"),
        ("2079460123", "FR", "maybe"),
        ("+12079460123", "GB", "other"),
        ("7946 0123", "GB", "other"),
        ("020 7946 0123 ext. 7", "GB", "other"),
        ("anonymous", "GB", "other"),
        ("9" * 5000, "GB", "other"),
    ],
)
def test_what_somebody_typed_into_an_address_book_is_compared_with_a_number(text, region, likeness):
    number = phone.parse("+442079460123", None)

    assert number is not None
    assert phone.likeness(text, number, region) == likeness


def test_the_national_digits_of_a_number_keep_their_leading_zero():
    number = phone.parse("+390236618300", None)

    assert number is not None
    assert phone.significant(number) == "0236618300"
