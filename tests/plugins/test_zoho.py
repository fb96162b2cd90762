"""What Zoho CRM is asked for, and what its answers mean."""

from __future__ import annotations

from contextlib import closing

import pytest
from pydantic import ValidationError

from plugins.zoho import Zoho
from plugins.zoho.record import criteria
from router import phone
from router.errors import DestinationUnusable, PermanentFailure, TemporaryFailure
from router.plugin import Answer
from router.testing import RecordingHttp
from tests.harness.calls import THEIRS
from tests.harness.crms import connected
from tests.harness.recording import Reply
from tests.harness.vendor import keep, refused, reply
from tests.harness.zoho import ZohoVendor, error, refusal
from tests.plugins.test_whole_calls import STORIES

WRITE, TOKEN = "Calls/upsert", "oauth/v2/token"
ENDED = STORIES["missed"][-1]


@pytest.fixture
def vendor(vendor_of):
    return vendor_of("zoho")


def test_an_answered_call_says_everything_in_zohos_units(vendor):
    contact = vendor.contact(THEIRS)

    keep(connected("zoho", vendor, owner="57"), STORIES["answered"])

    assert vendor.records == [
        {
            "Callrouter_Call": "wavix:c1",
            "Subject": "Call from +44 20 7946 0001",
            "Description": "From +44 20 7946 0001 to +44 20 7946 0958\nOutcome: answered\nRang 8s\nTalked 1m 30s",
            "Call_Type": "Inbound",
            "Call_Start_Time": "2025-09-22T13:56:38+01:00",
            "Call_Duration": "01:30",
            "Who_Id": {"id": contact},
            "Owner": {"id": "57"},
        }
    ]


def test_an_account_that_reads_hours_and_minutes_gets_them(vendor):
    keep(connected("zoho", vendor, duration="hh:mm"), STORIES["answered"])

    assert vendor.records[0]["Call_Duration"] == "00:02"


@pytest.mark.parametrize(("story", "kind", "duration"), [("missed", "Missed", None), ("busy", "Outbound", "00:00")])
def test_an_outcome_and_a_direction_become_a_type_of_zohos(vendor, story, kind, duration):
    keep(connected("zoho", vendor), STORIES[story])

    assert (vendor.records[0]["Call_Type"], vendor.records[0].get("Call_Duration")) == (kind, duration)


def test_a_call_is_kept_once_it_is_over(vendor):
    plugin = connected("zoho", vendor)

    assert [plugin.deliver(delivery) for delivery in STORIES["answered"][:3]] == [None] * 3
    assert vendor.received == []


def test_a_correction_changes_what_zoho_lets_us_change(vendor):
    keep(connected("zoho", vendor), STORIES["answered after its end was told"])

    [record] = vendor.records
    assert (record["Call_Type"], record["Subject"]) == ("Missed", "Call from +44 20 7946 0001")
    assert record["Call_Duration"] == "01:30"
    assert len(vendor.asked(WRITE)) == 1


def test_a_correction_after_a_lost_answer_finds_the_record_of_another_type(vendor):
    plugin = connected("zoho", vendor)
    *_, missed = STORIES["answered after its end was told"][:4]
    keep(plugin, [missed])

    keep(plugin, STORIES["answered after its end was told"][-1:])

    [record] = vendor.records
    assert (record["Call_Type"], record["Call_Duration"]) == ("Missed", "01:30")


def test_a_duplicate_that_zoho_names_is_changed(vendor):
    plugin = connected("zoho", vendor)
    made = keep(plugin, [ENDED])["id"]
    vendor.refuse(refusal("DUPLICATE_DATA", "Callrouter_Call", "duplicate data", id=made), WRITE)

    assert keep(plugin, [ENDED])["id"] == made
    assert len(vendor.asked("PUT /crm/v8/Calls")) == 1


@pytest.mark.parametrize(("several", "taken"), [("oldest", 1), ("newest", 0)])
def test_of_several_contacts_one_is_taken(vendor, several, taken):
    contacts = [
        vendor.contact(THEIRS, "2026-02-01T00:00:00+00:00"),
        vendor.contact("020 7946 0001", "2025-02-01T00:00:00+00:00"),
    ]

    keep(connected("zoho", vendor, several=several), [ENDED])

    assert vendor.links() == [contacts[taken]]


def test_a_number_with_brackets_stays_inside_its_criteria():
    number = phone.parse("+18045961058", None)

    assert number is not None
    assert r"(Phone:equals:\(804\) 596-1058)" in criteria(number)
    assert criteria(number).count("equals") <= 10


def test_no_workflow_of_zoho_is_started(vendor):
    keep(connected("zoho", vendor, create_contact=True), [ENDED])

    assert [one.json()["trigger"] for one in vendor.received if one.body.startswith(b"{")] == [[], []]


def test_an_account_without_the_field_pauses_the_destination_and_says_what_to_do():
    with closing(ZohoVendor(field=False)) as vendor:
        failure = refused(connected("zoho", vendor), ENDED)

    assert type(failure) is DestinationUnusable
    assert "no unique field Callrouter_Call" in failure.reason


def test_an_expired_token_is_replaced_within_the_attempt(vendor):
    plugin = connected("zoho", vendor)
    keep(plugin, [ENDED])
    vendor.expire()

    keep(plugin, [ENDED], tries=1)

    assert len(vendor.asked(TOKEN)) == 2


def test_refused_credentials_pause_the_destination(vendor):
    failure = refused(connected("zoho", vendor, refresh_token="1000.s3cret-wrong"), ENDED)

    assert type(failure) is DestinationUnusable
    assert "invalid_code" in failure.reason
    assert "s3cret" not in failure.reason


def test_too_many_tokens_are_no_fault_of_the_credentials(vendor):
    said = {"error": "Access Denied", "error_description": "You have made too many requests continuously."}
    vendor.refuse(reply(400, said), TOKEN)

    failure = refused(connected("zoho", vendor), ENDED)

    assert (type(failure), failure.retry_after) == (TemporaryFailure, 600.0)


def test_each_data_center_has_its_own_address():
    credentials = {"client_id": "a", "client_secret": "b", "refresh_token": "c"}
    settings = Zoho.Settings.model_validate({"accounts": "https://accounts.zoho.eu", **credentials})

    grant = Zoho(settings, RecordingHttp(Answer(200, {}, b'{"access_token": "1000.a"}'))).fetch()

    assert (grant.address, grant.lasts) == ("https://www.zohoapis.eu", 3600)


@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        (error(429, "TOO_MANY_REQUESTS", details={"retry_after": 45}), TemporaryFailure, 45.0),
        (error(429, "TOO_MANY_REQUESTS"), TemporaryFailure, 60.0),
        (error(429, "TOO_MANY_REQUESTS", Retry_After="9"), TemporaryFailure, 9.0),
        (error(500, "INTERNAL_ERROR"), TemporaryFailure, None),
        (error(400, "INTERNAL_ERROR"), TemporaryFailure, None),
        (error(503, "OOPS"), TemporaryFailure, None),
        (error(400, "INVALID_DATA"), PermanentFailure, None),
        (error(400, "INVALID_MODULE"), DestinationUnusable, None),
        (error(401, "OAUTH_SCOPE_MISMATCH"), DestinationUnusable, None),
        (error(403, "NO_PERMISSION"), DestinationUnusable, None),
        (error(404, "INVALID_URL_PATTERN"), PermanentFailure, None),
        (refusal("INVALID_DATA", "Who_Id"), PermanentFailure, None),
        (refusal("MANDATORY_NOT_FOUND", "Last_Name"), PermanentFailure, None),
        (refusal("INVALID_DATA", "Who_Id", status=400), PermanentFailure, None),
        (refusal("INTERNAL_ERROR", status=400), TemporaryFailure, None),
        (refusal("DUPLICATE_DATA", "Email"), PermanentFailure, None),
        (refusal("NOT_ALLOWED"), PermanentFailure, None),
        (refusal("LIMIT_EXCEEDED"), PermanentFailure, None),
        (refusal("NO_PERMISSION"), DestinationUnusable, None),
        (refusal("INTERNAL_ERROR", status=207), TemporaryFailure, None),
        (reply(200, {"data": []}), TemporaryFailure, None),
        (Reply(200, b"<html>", {}), TemporaryFailure, None),
    ],
)
def test_each_answer_of_zoho_has_its_class(vendor, answer, kind, wait):
    vendor.refuse(answer, WRITE)

    failure = refused(connected("zoho", vendor), ENDED)

    assert type(failure) is kind, failure
    assert getattr(failure, "retry_after", None) == wait


@pytest.mark.parametrize("wrong", [{"several": "all"}, {"duration": "seconds"}, {"accounts": "zoho.eu"}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        Zoho.Settings.model_validate({"client_id": "a", "client_secret": "b", "refresh_token": "c", **wrong})
