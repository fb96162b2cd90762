"""What a call is after its events: state, outcome, missed, durations, and when its end is told."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import clock, samples
from router.calls import Call, CallState, ended_event, fall_silent, tell
from router.event import CallEvent, read
from tests.harness.calls import OURS, SETTLE, START, THEIRS, follow, make_event, played, step_of

# Steps and states -----------------------------------------------------------------------------------------------


def test_the_first_event_of_a_call_is_first_and_no_other_is():
    assert step_of(make_event()).first
    assert not step_of(make_event(), make_event(after=1)).first


def test_an_event_older_than_one_already_seen_is_late():
    assert step_of(make_event(after=2), make_event(after=1)).late
    assert not step_of(make_event(after=1), make_event(after=1)).late


def test_only_the_first_terminal_event_ends_the_call():
    assert step_of(make_event("ringing"), make_event("busy", 1)).terminal
    assert not step_of(make_event("busy", 1), make_event("completed", 2)).terminal


@pytest.mark.parametrize(
    ("event_type", "state"),
    [
        ("call_setup", CallState.SETUP),
        ("on_call_event", CallState.SETUP),
        ("something_new", CallState.SETUP),
        ("ringing", CallState.RINGING),
        ("early_media", CallState.RINGING),
        ("answered", CallState.ANSWERED),
        ("completed", CallState.ENDED),
        ("failed", CallState.ENDED),
    ],
)
def test_an_event_brings_the_call_to_its_state(event_type, state):
    assert follow(make_event(event_type)).state is state


def test_a_late_event_leaves_numbers_and_tag_as_the_newer_one_told_them():
    call = follow(make_event(after=2, tag="new", to="2"), make_event(after=1, tag="old", to="1"))

    assert (call.tag, call.to) == ("new", "2")


def test_a_call_knows_its_earliest_and_its_newest_event_whatever_their_order():
    call = follow(make_event(after=2), make_event(after=1), make_event(after=3))

    assert (call.first_event_at, call.last_event_at, call.events) == (START + 1, START + 3, 3)


# Outcome and missed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ((), None),
        (("ringing", "answered"), None),
        (("answered", "completed"), "answered"),
        (("answered", "cancelled"), "answered"),
        (("ringing", "completed"), "no_answer"),
        (("busy",), "busy"),
        (("cancelled",), "cancelled"),
        (("rejected",), "rejected"),
        (("failed",), "failed"),
        (("busy", "completed"), "busy"),
        (("completed", "busy"), "busy"),
        (("cancelled", "rejected"), "rejected"),
    ],
)
def test_the_outcome_follows_from_the_events(events, outcome):
    assert follow(*[make_event(kind, at) for at, kind in enumerate(("call_setup", *events))]).outcome == outcome


@pytest.mark.parametrize(("events", "outcome"), [(("answered", "completed"), "machine"), (("completed",), "no_answer")])
def test_a_machine_is_the_outcome_only_where_it_answered(events, outcome):
    assert follow(*[make_event(kind, machine_detected=True) for kind in events]).outcome == outcome


@pytest.mark.parametrize(
    ("name", "outcome", "missed"),
    [
        ("answered", "answered", False),
        ("missed", "no_answer", True),
        ("busy", "busy", False),
        ("cancelled", "cancelled", False),
        ("rejected", "rejected", True),
        ("dtmf", "answered", False),
    ],
)
def test_each_sample_call_ends_as_its_name_says(name, outcome, missed):
    call = follow(*played(name))

    assert (call.outcome, call.missed) == (outcome, missed)


def test_a_call_that_goes_on_is_not_missed_yet():
    assert not follow(make_event("ringing")).missed


def test_a_call_with_a_believable_call_answered_is_not_missed():
    call = follow(make_event("completed", 60, call_answered=clock.text(START + 8)))

    assert (call.missed, call.outcome, call.ring_seconds) == (False, "answered", 8.0)


def test_how_long_it_rang_is_known_as_soon_as_it_is_answered():
    assert follow(make_event("ringing"), make_event("answered", 8)).ring_seconds == 8.0


def test_a_call_answered_long_before_it_started_is_not_believed():
    call = follow(make_event("completed", 60, call_answered="2023-11-07T05:31:56Z"))

    assert (call.missed, call.outcome, call.answered_at) == (True, "no_answer", None)


def test_a_call_answered_within_the_tolerance_before_it_started_is_believed_and_rang_no_time():
    call = follow(make_event("completed", 60, call_answered=clock.text(START - 1)))

    assert (call.answered, call.ring_seconds) == (True, 0.0)


def test_the_documented_sample_is_a_call_that_was_not_answered_and_has_no_negative_duration():
    fields = json.loads(samples.documented())
    event = make_event(**fields)

    call = follow(event, make_event("completed", 20, call_completed="2023-11-07T05:31:56Z"))

    assert (call.answered, call.missed, call.ring_seconds, call.talk_seconds) == (False, True, 20.0, None)


def test_the_senders_direction_wins_over_the_one_told_from_own_numbers():
    call = follow(make_event("completed", direction="outbound"), own_numbers=frozenset({OURS}))

    assert (call.direction, call.missed) == ("outbound", False)


@pytest.mark.parametrize(
    ("own_numbers", "direction", "missed"),
    [
        ({OURS}, "inbound", True),
        ({THEIRS}, "outbound", False),
        ({OURS, THEIRS}, None, False),
        (set(), None, False),
    ],
)
@pytest.mark.parametrize("absent", [{"direction": None}, {"to": "442079460958", "direction": ""}])
def test_a_direction_the_sender_leaves_out_is_told_from_own_numbers_or_unknown(own_numbers, direction, missed, absent):
    call = follow(make_event("completed", **absent), own_numbers=frozenset(own_numbers))

    assert (call.direction, call.missed) == (direction, missed)


# When the end is told ---------------------------------------------------------------------------------------------


def test_the_end_of_an_answered_call_is_due_at_once():
    assert follow(make_event("answered", 5), make_event("completed", 60)).end_due_at == START + 60


def test_the_end_of_an_unanswered_call_is_due_when_it_has_settled():
    assert follow(make_event("ringing"), make_event("completed", 60)).end_due_at == START + 60 + SETTLE


def test_no_end_is_due_while_the_call_goes_on():
    assert follow(make_event("ringing"), make_event("answered", 5)).end_due_at is None


def test_a_second_terminal_event_does_not_put_the_end_off():
    assert follow(make_event("busy", 60), make_event("completed", 63)).end_due_at == START + 60 + SETTLE


def test_an_answer_that_comes_while_it_settles_makes_the_end_due_at_once_and_no_alarm():
    call = follow(make_event("completed", 60), make_event("answered", 62))

    assert (call.end_due_at, call.outcome, call.missed) == (START + 62, "answered", False)


def test_after_the_end_was_told_nothing_is_due():
    assert tell(follow(make_event("completed", 60))).end_due_at is None


def test_a_repeated_terminal_event_after_the_end_was_told_corrects_nothing():
    told = tell(follow(make_event("busy", 60)))

    assert follow(make_event("completed", 70), call=told).end_due_at is None


def test_a_late_answer_after_the_end_was_told_makes_one_correction_due():
    told = tell(follow(make_event("completed", 60)))

    corrected = follow(make_event("answered", 20), call=told)

    assert (corrected.end_due_at, corrected.outcome, corrected.missed) == (START + 20, "answered", False)
    assert follow(make_event("on_call_event", 30), call=tell(corrected)).end_due_at is None


def test_a_correction_to_another_unanswered_outcome_settles_too():
    told = tell(follow(make_event("completed", 60)))

    assert follow(make_event("busy", 70), call=told).end_due_at == START + 70 + SETTLE


def test_a_direction_that_comes_late_corrects_missed():
    told = tell(follow(make_event("completed", 60, direction=None)))

    corrected = follow(make_event("ringing", 1), call=told)

    assert (told.told_missed, corrected.missed, corrected.end_due_at) == (False, True, START + 1 + SETTLE)


def test_a_call_that_fell_silent_ends_unknown_and_at_once():
    call = fall_silent(follow(make_event("ringing")), START + 14400)

    assert (call.state, call.outcome, call.end_due_at) == (CallState.ENDED, "unknown", START + 14400)


@pytest.mark.parametrize(("event_type", "missed"), [("ringing", True), ("answered", False)])
def test_a_call_that_fell_silent_is_missed_where_nobody_answered(event_type, missed):
    assert fall_silent(follow(make_event(event_type)), START + 14400).missed is missed


def test_a_silent_call_that_speaks_again_is_corrected():
    told = tell(fall_silent(follow(make_event("answered")), START + 14400))

    corrected = follow(make_event("completed", 15000), call=told)

    assert (corrected.outcome, corrected.end_due_at) == ("answered", START + 15000)


# Our own events -----------------------------------------------------------------------------------------------


def test_call_ended_has_the_senders_field_names_and_the_facts_in_its_payload():
    event = ended_event(follow(*played("answered")), START + 200)

    assert json.loads(event.body) == {
        "uuid": "c1", "event_type": "call_ended", "event_time": "2025-09-22T12:59:27.405Z",
        "event_payload": {
            "sequence": 1, "outcome": "answered", "missed": False, "answered": True,
            "ring_seconds": 7.905, "talk_seconds": 161.0, "calls_today": None, "missed_today": None,
        },
        "from": samples.CUSTOMER, "to": samples.OFFICE, "call_started": "2025-09-22T12:56:38.500Z",
        "call_answered": "2025-09-22T12:56:46.405Z", "call_completed": "2025-09-22T12:59:27.405Z",
        "machine_detected": False, "tag": "", "direction": "inbound",
    }  # fmt: skip


def test_call_ended_is_an_event_of_the_calls_source_received_now():
    event = ended_event(follow(*played("missed")), START + 30)

    assert (event.source, event.call_id, event.event_type) == ("wavix", "c1", "call_ended")
    assert (event.event_time, event.received_at) == (pytest.approx(START + 18.388), START + 30)
    assert event.fields == {**json.loads(event.body), "source": "wavix"}


def test_our_own_event_reads_back_as_it_was_made():
    event = ended_event(follow(*played("missed")), START + 30)

    assert read(event.body, "wavix", START + 30) == event


def test_call_corrected_says_what_was_told_before():
    told = tell(follow(make_event("completed", 60)))

    event = ended_event(follow(make_event("answered", 20), call=told), START + 90)

    assert event.event_type == "call_corrected"
    assert event.fields["event_payload"] == {
        "sequence": 2,
        "outcome": "answered",
        "missed": False,
        "answered": True,
        "ring_seconds": 20.0,
        "talk_seconds": 40.0,
        "calls_today": None,
        "missed_today": None,
        "previous_outcome": "no_answer",
        "previous_missed": True,
    }


def test_the_end_of_a_silent_call_is_dated_by_its_last_event():
    silent = fall_silent(follow(make_event("ringing", 3)), START + 14400)

    assert ended_event(silent, START + 14400).event_time == START + 3


# For every order of any events -----------------------------------------------------------------------------------

_TYPES = (
    "call_setup", "ringing", "early_media", "answered", "completed", "busy", "cancelled", "rejected", "failed",
    "on_call_event", "transfer", "something_new",
)  # fmt: skip
_MOMENTS = st.one_of(st.none(), st.integers(-100, 100).map(lambda after: clock.text(START + after)))
_EVENTS = st.lists(
    st.builds(
        make_event,
        st.sampled_from(_TYPES),
        after=st.integers(-100, 100).map(float),
        call_started=st.one_of(st.just(clock.text(START)), _MOMENTS),
        call_answered=_MOMENTS,
        call_completed=_MOMENTS,
        machine_detected=st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@given(_EVENTS)
def test_whatever_comes_the_state_never_goes_back_and_no_duration_is_negative(events):
    call = None
    for event in events:
        before, call = call, follow(event, call=call)
        assert before is None or call.state >= before.state
        assert all(seconds is None or seconds >= 0 for seconds in (call.ring_seconds, call.talk_seconds))


def follow_telling(events: list[CallEvent], told_after: list[bool]) -> tuple[Call, list[CallEvent]]:
    """The call after *events* and all that was told of it, when the worker looked after some of them and at the end."""
    call, said = None, []
    for event, looks in zip(events, [*told_after[1:], True], strict=True):
        call = follow(event, call=call)
        if looks and call.end_due_at is not None:
            said.append(ended_event(call, START))
            call = tell(call)
    assert call is not None
    return call, said


@given(st.data(), _EVENTS)
@settings(max_examples=200)
def test_any_order_of_the_same_events_ends_with_the_same_outcome(data, events):
    other_order = data.draw(st.permutations(events))
    looks = st.lists(st.booleans(), min_size=len(events), max_size=len(events))

    one, _ = follow_telling(events, data.draw(looks))
    other, _ = follow_telling(other_order, data.draw(looks))

    assert [(c.state, c.told_outcome, c.told_missed, c.ring_seconds, c.talk_seconds) for c in (one, other)] == [
        (one.state, one.outcome, one.missed, one.ring_seconds, one.talk_seconds)
    ] * 2


@given(st.data(), _EVENTS)
def test_call_ended_is_said_once_for_a_call_that_ends_and_each_correction_says_something_new(data, events):
    looks = data.draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events)))

    call, said = follow_telling(events, looks)

    assert [event.event_type for event in said] == (
        ["call_ended"] + ["call_corrected"] * (len(said) - 1) if call.state is CallState.ENDED else []
    )
    verdicts = [(e.fields["event_payload"]["outcome"], e.fields["event_payload"]["missed"]) for e in said]
    assert all(one != next_ for one, next_ in pairwise(verdicts))
    assert len({event.body for event in said}) == len(said)
