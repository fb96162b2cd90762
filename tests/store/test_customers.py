"""How many calls of one customer a store says there were."""

from __future__ import annotations

from typing import Any

import pytest

from router.calls import MOST_COUNTED, Call, Incoming

THEIRS, OTHERS = "+442079460001", "+442079460002"
TODAY, NOON = "2025-09-22", 1_758_542_400.0
ITSELF = Incoming("wavix", "itself", THEIRS, TODAY, NOON)


@pytest.fixture
def called(store):
    """Keeps one call and as what it counts."""

    def called(call_id: str, *, missed: bool = True, **changes: Any) -> None:
        coming = ITSELF._replace(**{"call_id": call_id, "at": NOON - 60, **changes})
        store.keep_incoming(Call(coming.source, call_id, missed=missed), coming)

    return called


def test_the_other_calls_of_a_customer_are_counted_and_those_missed(store, called):
    called("one")
    called("two", missed=False)
    called("three")
    called("itself", at=NOON)

    assert store.earlier_calls(ITSELF) == (3, 2)


def test_nobody_called_before(store, called):
    called("itself", at=NOON)

    assert store.earlier_calls(ITSELF) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"at": NOON}, True),
        ({"at": NOON + 0.001}, False),
        ({"date": "2025-09-21"}, False),
        ({"number": OTHERS}, False),
        ({"source": "other"}, False),
    ],
)
def test_a_call_counts_that_began_before_on_the_same_day_with_the_same_number_and_source(
    store, called, changes, counts
):
    called("one", **changes)

    assert store.earlier_calls(ITSELF) == (int(counts), int(counts))


def test_a_call_is_kept_with_what_it_counts(store, full_call):
    store.keep_incoming(Call(full_call.source, full_call.call_id), None)
    store.keep_incoming(full_call, ITSELF._replace(source=full_call.source, call_id=full_call.call_id))

    assert store.call(full_call.source, full_call.call_id) == full_call


def test_a_call_counts_as_it_stands(store, called):
    called("one", missed=False)
    store.keep_call(Call("wavix", "one", missed=True))

    assert store.earlier_calls(ITSELF) == (1, 1)


def test_a_call_counts_as_what_was_written_last(store, called):
    called("one", number=OTHERS)
    called("one")
    called("two")
    store.keep_incoming(Call("wavix", "two", missed=True), None)

    assert store.earlier_calls(ITSELF) == (1, 1)


def test_counting_stops_at_a_thousand_with_the_call_itself(store, called):
    with store.transaction():
        for number in range(MOST_COUNTED + 5):
            called(f"c{number}")

    assert store.earlier_calls(ITSELF) == (MOST_COUNTED - 1, MOST_COUNTED - 1)


def test_what_a_rolled_back_step_wrote_does_not_count(store, called):
    def fails() -> None:
        with store.transaction():
            called("one")
            raise LookupError

    with pytest.raises(LookupError):
        fails()

    assert store.earlier_calls(ITSELF) == (0, 0)
