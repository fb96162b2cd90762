"""What a CRM says of many records at once, and whom it means."""

from __future__ import annotations

import pytest

from router.crm.batched import parts, sorted_out
from router.errors import AnswerLost, PermanentFailure, TemporaryFailure

REFUSED, LATER = PermanentFailure("wrong"), TemporaryFailure("later")
#: Links of a call with a contact, each named by both.
LINKS = {pair: frozenset(pair) for pair in [("call-1", "ann"), ("call-2", "ann"), ("call-2", "bob")]}


def names(*refusals):
    return [(frozenset(called), failure) for called, failure in refusals]


def test_what_is_done_and_what_is_refused_is_each_ones_own():
    ended = sorted_out({one: frozenset(one) for one in "ab"}, {"a": "7"}, names(("b", REFUSED)))

    assert ended == {"a": "7", "b": REFUSED}


def test_a_refusal_that_names_one_end_is_of_every_link_with_it_and_one_that_names_both_of_one():
    both = sorted_out(LINKS, {("call-1", "ann"): "", ("call-2", "bob"): ""}, names((("call-2", "ann"), REFUSED)))
    one = sorted_out(LINKS, {("call-2", "bob"): ""}, names((("ann",), REFUSED)))

    assert both == {("call-1", "ann"): "", ("call-2", "bob"): "", ("call-2", "ann"): REFUSED}
    assert one == {("call-2", "bob"): "", ("call-1", "ann"): REFUSED, ("call-2", "ann"): REFUSED}


def test_words_beside_the_names_do_not_matter():
    refusals = names((("a", "hubspot_owner_id"), REFUSED))

    assert sorted_out({one: frozenset(one) for one in "ab"}, {"b": "8"}, refusals)["a"] is REFUSED


def test_what_nobody_speaks_of_is_not_known():
    ended = sorted_out({one: frozenset(one) for one in "ab"}, {"a": "7"}, [])

    assert type(ended["b"]) is AnswerLost


@pytest.mark.parametrize("failure", [LATER, AnswerLost("gone")])
def test_a_passing_refusal_of_nobody_in_particular_is_of_all_that_are_not_done(failure):
    ended = sorted_out({one: frozenset(one) for one in "abc"}, {"a": "7"}, names(((), failure)))

    assert ended == {"a": "7", "b": failure, "c": failure}


def test_a_lasting_refusal_of_nobody_in_particular_is_of_the_only_one_left_or_raised():
    items = {one: frozenset(one) for one in "abc"}

    assert sorted_out(items, {"a": "7", "b": "8"}, names(((), REFUSED)))["c"] is REFUSED
    with pytest.raises(PermanentFailure, match="wrong"):
        sorted_out(items, {"a": "7"}, names(((), REFUSED)))


def test_parts_leave_nothing_out():
    assert [list(one) for one in parts(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert list(parts([], 2)) == []
