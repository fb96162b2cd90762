"""Which contacts a number belongs to."""

from __future__ import annotations

import itertools

import pytest

from router import phone
from router.crm.contacts import Contact, choose

NUMBER = phone.parse("+442079460001", None)


def chosen(*texts, home="GB", several="all"):
    return choose([Contact(str(at), (text,)) for at, text in enumerate(texts)], NUMBER, home, several)


@pytest.mark.parametrize(
    "text",
    ["+442079460001", "442079460001", "+44 (0)20 7946 0001", "020 7946 0001", "020-7946.0001", "tel:+442079460001"],
)
def test_a_number_is_the_same_however_it_was_typed(text):
    assert chosen(text) == ["0"]


@pytest.mark.parametrize(
    "text", ["+12079460001", "+442079460002", "7946 0001", "+44 20 7946 0001 ext. 5", "", "n/a", "x" * 5000]
)
def test_another_number_is_not_taken_for_it(text):
    assert chosen(text) == []


def test_national_digits_of_no_country_are_taken_where_there_is_only_one():
    assert chosen("2079460001", home="FR") == ["0"]
    assert chosen("2079460001", "20 7946 0001", home="FR") == []
    assert chosen("2079460001", "+442079460001", home="FR") == ["1"]


def test_any_of_its_numbers_makes_a_contact_the_one():
    assert choose([Contact("7", ("", "+33170363950", "+442079460001"))], NUMBER, "GB", "oldest") == ["7"]


def test_the_choice_does_not_depend_on_the_order_of_the_answer():
    contacts = [
        Contact("10", (NUMBER.e164,), "2026-01-01"),
        Contact("9", (NUMBER.e164,), "2026-01-01"),
        Contact("3", (NUMBER.e164,), "2026-02-01"),
    ]

    for order in itertools.permutations(contacts):
        assert choose(order, NUMBER, "GB", "oldest") == ["9"]
        assert choose(order, NUMBER, "GB", "newest") == ["3"]
        assert choose([*order, *order], NUMBER, "GB", "all") == ["9", "10", "3"]
