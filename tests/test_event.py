"""What counts as a call event, and what is said of everything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import InvalidEvent
from router.event import EVENT_TYPES, check, read

SAMPLE = (Path(__file__).parent / "events" / "documented.json").read_bytes()


def body(**changes: Any) -> bytes:
    """The documented sample with *changes*; a field set to ``...`` is left out."""
    fields = json.loads(SAMPLE) | {name.rstrip("_"): value for name, value in changes.items()}
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def faults(data: bytes, **options: Any) -> dict[str, str]:
    with pytest.raises(InvalidEvent) as caught:
        check(data, **options)
    return {fault.path: fault.text for fault in caught.value.faults}


@pytest.mark.parametrize("validation", ["documented", "lenient", "strict"])
def test_the_documented_sample_is_accepted_unchanged(validation):
    check(SAMPLE, validation=validation)

    assert read(SAMPLE, "wavix", 1.0).body is SAMPLE


@pytest.mark.parametrize("event_type", sorted(EVENT_TYPES))
def test_every_documented_event_type_is_accepted(event_type):
    check(body(event_type=event_type))


def test_another_event_type_is_refused_with_the_setting_that_accepts_it():
    assert "accept_types" in faults(body(event_type="hold"))["event_type"]
    check(body(event_type="hold"), accept_types={"hold"})


@pytest.mark.parametrize("event_type", ["call_ended", "call_corrected", "alert"])
def test_no_source_may_send_what_callrouter_itself_makes(event_type):
    assert "callrouter itself" in faults(body(event_type=event_type), accept_types={event_type})["event_type"]


@pytest.mark.parametrize("name", ["event_payload", "tag", "machine_detected", "call_answered", "call_completed"])
def test_an_absent_documented_field_names_the_setting_that_accepts_its_absence(name):
    data = body(**{name: ...})

    assert "validation: lenient" in faults(data)[name]
    assert name in faults(data, validation="strict")
    check(data, validation="lenient")


@pytest.mark.parametrize("name", ["uuid", "event_type", "event_time", "from", "to", "call_started"])
@pytest.mark.parametrize("validation", ["documented", "lenient", "strict"])
def test_what_nobody_may_leave_out_is_refused_without_a_promise(name, validation):
    assert faults(body(**{name: ...}), validation=validation) == {name: "is missing"}


@pytest.mark.parametrize("validation", ["documented", "lenient", "strict"])
def test_the_direction_may_be_absent(validation):
    check(body(direction=...), validation=validation)


@pytest.mark.parametrize("name", ["event_payload", "tag", "direction"])
def test_a_null_that_the_sender_is_known_for_is_refused_only_by_strict(name):
    check(body(**{name: None}))
    check(body(**{name: None}), validation="lenient")
    assert faults(body(**{name: None}), validation="strict")[name].startswith("is null")


@pytest.mark.parametrize("name", ["call_answered", "call_completed"])
def test_a_call_not_answered_or_not_over_says_so_with_null(name):
    check(body(**{name: None}), validation="strict")


@pytest.mark.parametrize("name", ["uuid", "event_type", "event_time", "from", "to", "call_started", "machine_detected"])
def test_any_other_null_is_refused(name):
    assert faults(body(**{name: None}))[name].startswith("is null")


def test_id_stands_for_uuid_and_call_finished_for_call_completed():
    data = body(uuid=..., id="5DCCB6B0-f35c-488c-867b-86fb012c4415", call_completed=..., call_finished=None)

    check(data)
    event = read(data, "wavix", 1.0)

    assert event.call_id == "5dccb6b0-f35c-488c-867b-86fb012c4415"
    assert event.fields["call_completed"] is None
    assert event.key == read(body(), "wavix", 2.0).key


def test_id_beside_uuid_is_accepted():
    check(body(id="5dccb6b0-f35c-488c-867b-86fb012c4415"))


def test_a_fault_in_an_alias_is_named_as_the_sender_named_it():
    assert faults(body(uuid=..., id="seven")) == {"id": "is not a UUID"}


def test_bare_integers_as_numbers_are_read_as_text():
    data = body(from_=18045961058, to=17653889567)

    check(data)
    check(data, validation="lenient")
    assert set(faults(data, validation="strict")) == {"from", "to"}
    assert read(data, "wavix", 1.0).fields["from"] == "18045961058"


def test_unknown_fields_are_kept():
    data = body(queue={"name": "sales"})

    check(data, validation="strict")
    assert read(data, "wavix", 1.0).fields["queue"] == {"name": "sales"}


def test_every_fault_is_named_at_once():
    data = body(uuid="seven", event_time="now", from_=True, machine_detected="no", direction="sideways", tag=...)

    assert set(faults(data)) == {"uuid", "event_time", "from", "machine_detected", "direction", "tag"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uuid", 7),
        ("event_type", ["ringing"]),
        ("event_time", "2025-09-22"),
        ("event_time", 1758545798),
        ("event_time", "0001-01-01T00:00:00Z"),
        ("event_time", "9999-12-31T23:59:59-12:00"),
        ("call_started", "2025-13-01T00:00:00Z"),
        ("event_payload", "audio"),
        ("from", 1.5),
        ("to", False),
        ("tag", 7),
        ("machine_detected", 0),
        ("direction", ""),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_by_its_path(field, value):
    assert list(faults(body(**{field: value}))) == [field]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff{}", "is not UTF-8"),
        ('{"uuid": 1}'.encode("utf-16"), "is not UTF-8"),
        (b"[]", "must be an object"),
        (b"null", "must be an object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"a": ' + b"[" * 100_000, "nested"),
        (b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}", "nested"),
        (b'{"a": 1, "a": 2}', "a: is there more than once"),
        (b'{"a": {"b": [1, "\\ud800"]}}', "a.b[1]: contains"),
        (b'{"a": {"\\udfff": 1}}', "a: has a name"),
        (b'{"tag": "\\u0000"}', "tag: contains"),
    ],
    ids=range(16),
)
def test_what_two_programs_could_read_differently_is_refused(data, says):
    with pytest.raises(InvalidEvent) as caught:
        check(data)

    assert says in str(caught.value)
    assert str(caught.value).isprintable()


def test_an_escaped_character_outside_the_basic_plane_is_kept():
    data = body(tag="\N{TELEPHONE RECEIVER}\N{GRINNING FACE}")

    check(data)
    assert read(data, "wavix", 1.0).fields["tag"] == "\N{TELEPHONE RECEIVER}\N{GRINNING FACE}"


def test_the_faults_of_a_hostile_body_are_not_without_bound():
    pairs = ",".join(f'"k{n}": 1, "k{n}": 2' for n in range(5000))

    assert 0 < len(faults(b"{" + pairs.encode() + b"}")) <= 50


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"tag": "other"}, True),
        ({"event_time": "2025-09-22T14:56:38.547+02:00"}, True),
        ({"uuid": "5DCCB6B0-F35C-488C-867B-86FB012C4415"}, True),
        ({"event_time": "2025-09-22T12:56:38.548Z"}, False),
        ({"event_type": "ringing"}, False),
        ({"event_payload": {"type": "collect"}}, False),
        ({"event_payload": None}, False),
        ({"uuid": "6dccb6b0-f35c-488c-867b-86fb012c4415"}, False),
    ],
)
def test_the_key_is_the_same_for_what_counts_as_the_same_event(change, same):
    assert (read(body(**change), "wavix", 2.0).key == read(SAMPLE, "wavix", 1.0).key) is same


def test_the_order_of_names_in_the_payload_does_not_make_another_event():
    one, other = body(event_payload={"a": 1, "b": 2}), body(event_payload={"b": 2, "a": 1})

    assert read(one, "wavix", 1.0).key == read(other, "wavix", 1.0).key


def test_two_sources_never_share_an_event():
    assert read(SAMPLE, "wavix", 1.0).key != read(SAMPLE, "other", 1.0).key


def test_keys_sort_by_the_time_of_the_event():
    times = ["1970-01-01T00:00:00Z", "2023-11-07T05:31:56Z", "2025-09-22T12:56:38.547Z", "2199-12-31T23:59:59Z"]
    keys = [read(body(event_time=time), "wavix", 1.0).key for time in times]

    assert keys == sorted(keys)
    assert {len(key) for key in keys} == {24}


def test_an_event_accepted_under_other_settings_can_still_be_read():
    event = read(body(event_type="hold", tag=..., call_answered=..., direction=...), "wavix", 1.0)

    assert (event.event_type, event.fields["tag"], event.fields["direction"]) == ("hold", None, None)
    assert event.fields["source"] == "wavix"


@pytest.mark.parametrize("name", ["uuid", "event_type", "event_time"])
def test_what_has_no_call_no_type_or_no_time_cannot_be_read(name):
    with pytest.raises(InvalidEvent, match=name):
        read(body(**{name: ...}), "wavix", 1.0)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["ringing", "inbound"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_NAMES = st.sampled_from([*json.loads(SAMPLE), "id", "call_finished"]) | st.text()


@settings(deadline=None)
@given(st.binary() | st.text().map(str.encode) | st.dictionaries(_NAMES, _JSON).map(json.dumps).map(str.encode))
def test_no_body_whatever_raises_anything_but_its_faults(data):
    try:
        check(data, validation="lenient")
    except InvalidEvent as ex:
        str(ex).encode()


@settings(deadline=None)
@given(st.dictionaries(_NAMES, _JSON), st.sampled_from(["documented", "lenient", "strict"]))
def test_whatever_is_accepted_can_be_read_and_has_a_key(changes, validation):
    data = json.dumps(json.loads(SAMPLE) | changes).encode()
    try:
        check(data, validation=validation)
    except InvalidEvent:
        return

    assert len(read(data, "wavix", 1.0).key) == 24


@settings(deadline=None)
@given(st.integers(0, len(SAMPLE) - 1), st.binary(min_size=1, max_size=3))
def test_no_damage_to_a_real_event_raises_anything_but_its_faults(place, damage):
    try:
        check(SAMPLE[:place] + damage + SAMPLE[place + len(damage) :])
    except InvalidEvent as ex:
        str(ex).encode()
