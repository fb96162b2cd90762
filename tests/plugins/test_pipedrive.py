"""What Pipedrive is asked for, and what its answers mean."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from plugins import pipedrive
from plugins.pipedrive import Pipedrive
from router.errors import DestinationUnusable, PermanentFailure, TemporaryFailure
from tests.harness.calls import START, THEIRS
from tests.harness.crms import connected
from tests.harness.pipedrive import error
from tests.harness.recording import Reply
from tests.harness.vendor import keep, refused, reply
from tests.plugins.test_whole_calls import STORIES

WRITE = "POST /api/v2/activities"


@pytest.fixture
def vendor(vendor_of):
    return vendor_of("pipedrive")


def test_an_answered_call_says_everything_in_pipedrives_units(vendor):
    person = vendor.contact(THEIRS)

    receipt = keep(connected("pipedrive", vendor, owner="7"), STORIES["answered"])

    [record] = vendor.records
    assert record == {
        "id": int(receipt["id"]),
        "subject": "Call from +44 20 7946 0001",
        "type": "call",
        "done": True,
        "due_date": "2025-09-22",
        "due_time": "12:56",
        "duration": "00:02",
        "note": "From +44 20 7946 0001 to +44 20 7946 0958<br>Outcome: answered<br>Rang 8s<br>Talked 1m 30s"
        "<br>callrouter wavix:c1",
        "participants": [{"person_id": int(person), "primary": True}],
        "owner_id": 7,
    }


def test_a_call_that_goes_on_is_not_done(vendor):
    keep(connected("pipedrive", vendor), STORIES["answered"][:3])

    assert (vendor.records[0]["done"], vendor.records[0]["duration"]) == (False, "00:00")


def test_owners_by_line(vendor):
    keep(connected("pipedrive", vendor, owners={"+442079460958": "77"}, owner="78"), STORIES["missed"])

    assert vendor.records[0]["owner_id"] == 77


@pytest.mark.parametrize(("several", "taken"), [("oldest", [0]), ("newest", [1]), ("all", [0, 1])])
def test_of_several_persons_the_configured_take_part(vendor, several, taken):
    persons = [vendor.contact(THEIRS), vendor.contact("020 7946 0001")]

    keep(connected("pipedrive", vendor, several=several), STORIES["missed"])

    took_part = vendor.records[0]["participants"]
    assert [one["person_id"] for one in took_part] == [int(persons[at]) for at in taken]
    assert [one["primary"] for one in took_part].count(True) == 1


def test_the_activity_of_a_lost_answer_is_found_behind_others_that_changed_meanwhile(vendor):
    for at in range(5):
        vendor.activity(f"callrouter wavix:c1{at}", START + at)
    plugin = connected("pipedrive", vendor)
    vendor.refuse(Reply(200, b"", {}), WRITE)
    with pytest.raises(TemporaryFailure):
        plugin.deliver(STORIES["missed"][0])
    vendor.activity("callrouter wavix:c1", START + 9)

    receipt = keep(plugin, STORIES["missed"])

    assert len(vendor.records) == 6
    assert vendor.activities[int(receipt["id"])]["subject"] == "Missed call from +44 20 7946 0001"


def test_a_call_with_a_receipt_is_not_looked_for(vendor):
    keep(connected("pipedrive", vendor), STORIES["answered"])

    assert len(vendor.asked("GET /api/v2/activities")) == 1


def test_where_too_much_changed_to_look_through_a_human_has_to(vendor, monkeypatch):
    monkeypatch.setattr(pipedrive, "PAGES", 2)
    for at in range(6):
        vendor.activity("", START + at)

    assert type(refused(connected("pipedrive", vendor), STORIES["missed"][0])) is PermanentFailure
    assert vendor.asked(WRITE) == []


def test_an_activity_that_was_deleted_there_is_a_dead_letter(vendor):
    plugin = connected("pipedrive", vendor)
    receipt = keep(plugin, STORIES["answered"][:1])
    vendor.activities.clear()

    with pytest.raises(PermanentFailure, match="Activity not found"):
        keep(plugin, STORIES["answered"][1:], receipt)


@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        (error(429, "limit", X_RateLimit_Reset="2"), TemporaryFailure, 2.0),
        (error(429, "limit", X_RateLimit_Reset="1758545798"), TemporaryFailure, None),
        (error(429, "limit", X_RateLimit_Reset="soon"), TemporaryFailure, None),
        (error(429, "limit", X_Daily_Requests_Left="0", X_RateLimit_Reset="2"), TemporaryFailure, 3600.0),
        (error(429, "limit", Retry_After="9"), TemporaryFailure, 9.0),
        (error(500, "oops"), TemporaryFailure, None),
        (error(503, "oops"), TemporaryFailure, None),
        (error(400, "Validation failed"), PermanentFailure, None),
        (error(401, "unauthorized"), DestinationUnusable, None),
        (error(402, "payment required"), DestinationUnusable, None),
        (error(403, "scope"), DestinationUnusable, None),
        (Reply(403, b"<html>Attention Required! | Cloudflare</html>", {}), DestinationUnusable, None),
        (error(404, "not found"), PermanentFailure, None),
        (error(410, "gone"), DestinationUnusable, None),
        (error(415, "type"), PermanentFailure, None),
        (error(422, "unprocessable"), PermanentFailure, None),
        (reply(201, {"success": True}), TemporaryFailure, None),
        (Reply(200, b"<html>", {}), TemporaryFailure, None),
    ],
)
def test_each_answer_of_pipedrive_has_its_class(vendor, answer, kind, wait):
    vendor.refuse(answer, WRITE)

    failure = refused(connected("pipedrive", vendor), STORIES["missed"][0])

    assert type(failure) is kind, failure
    assert getattr(failure, "retry_after", None) == wait


@pytest.mark.parametrize("wrong", [{"owner": "ann"}, {"owners": {"+442079460958": "ann"}}, {"url": "mycompany"}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        Pipedrive.Settings.model_validate({"token": "t", "url": "https://x.pipedrive.com", **wrong})
