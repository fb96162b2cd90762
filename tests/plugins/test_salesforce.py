"""What Salesforce is asked for, and what its answers mean."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
from pydantic import ValidationError

from plugins.salesforce import Salesforce
from plugins.salesforce.queries import oldest
from router.errors import DestinationUnusable, PermanentFailure, TemporaryFailure
from tests.harness.calls import THEIRS
from tests.harness.crms import connected
from tests.harness.recording import Reply
from tests.harness.salesforce import SalesforceVendor, error
from tests.harness.vendor import keep, refused, reply
from tests.plugins.test_whole_calls import STORIES

WRITE, TOKEN = "POST /services/data/v62.0/sobjects/Task", "oauth2/token"


@pytest.fixture
def vendor(vendor_of):
    return vendor_of("salesforce")


def test_an_answered_call_says_everything_in_salesforces_units(vendor):
    contact = vendor.contact(THEIRS)

    keep(connected("salesforce", vendor, owner="0057"), STORIES["answered"])

    assert vendor.records == [
        {
            "Callrouter_Call__c": "wavix:c1",
            "Subject": "Call from +44 20 7946 0001",
            "Description": "From +44 20 7946 0001 to +44 20 7946 0958\nOutcome: answered\nRang 8s\nTalked 1m 30s",
            "Status": "Completed",
            "ActivityDate": "2025-09-22",
            "TaskSubtype": "Call",
            "CallType": "Inbound",
            "CallDurationInSeconds": 90,
            "CallDisposition": "answered",
            "WhoId": contact,
            "OwnerId": "0057",
        }
    ]


@pytest.mark.parametrize(("story", "kind", "outcome"), [("missed", "Inbound", "missed"), ("busy", "Outbound", "busy")])
def test_an_outcome_and_a_direction_become_salesforces(vendor, story, kind, outcome):
    keep(connected("salesforce", vendor), STORIES[story])

    assert (vendor.records[0]["CallType"], vendor.records[0]["CallDisposition"]) == (kind, outcome)


def test_a_call_that_goes_on_is_in_progress(vendor):
    keep(connected("salesforce", vendor), STORIES["answered"][:3])

    assert vendor.records[0]["Status"] == "In Progress"


@pytest.mark.parametrize(("several", "taken"), [("oldest", 1), ("newest", 0)])
def test_of_several_contacts_one_is_taken(vendor, several, taken):
    contacts = [
        vendor.contact(THEIRS, "2026-02-01T00:00:00.000+0000"),
        vendor.contact("020 7946 0001", "2025-02-01T00:00:00.000+0000"),
    ]

    keep(connected("salesforce", vendor, several=several), STORIES["missed"])

    assert vendor.links() == [contacts[taken]]


def test_an_org_without_a_call_center_gets_the_facts_in_the_note():
    with closing(SalesforceVendor(call_center=False)) as vendor:
        keep(connected("salesforce", vendor), STORIES["answered"])

        assert set(vendor.records[0]) == {"Callrouter_Call__c", "Subject", "Description", "Status", "ActivityDate"}
        assert "Talked 1m 30s" in vendor.records[0]["Description"]
        # Refused once, and then left out.
        assert len(vendor.asked("sobjects/Task")) == len(STORIES["answered"]) + 1


def test_an_org_without_the_field_pauses_the_destination_and_says_what_to_do():
    with closing(SalesforceVendor(field=False)) as vendor:
        failure = refused(connected("salesforce", vendor), STORIES["missed"][0])

    assert type(failure) is DestinationUnusable
    assert "no field Callrouter_Call__c" in failure.reason


def test_one_token_serves_all_deliveries(vendor):
    keep(connected("salesforce", vendor), STORIES["answered"])
    keep(connected("salesforce", vendor), STORIES["missed"])

    assert len(vendor.asked(TOKEN)) == 1


def test_an_expired_token_is_replaced_within_the_attempt(vendor):
    plugin = connected("salesforce", vendor)
    receipt = keep(plugin, STORIES["answered"][:2])
    vendor.expire()

    keep(plugin, STORIES["answered"][2:], receipt, tries=1)

    assert len(vendor.asked(TOKEN)) == 2
    assert len(vendor.records) == 1


def test_many_threads_whose_token_expired_fetch_one(vendor):
    keep(connected("salesforce", vendor), STORIES["missed"][:1])
    vendor.expire()
    ready = threading.Barrier(6)

    def deliver():
        plugin = connected("salesforce", vendor)
        ready.wait(10)
        keep(plugin, STORIES["missed"][-1:])

    threads = [threading.Thread(target=deliver) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(vendor.asked(TOKEN)) == 2


def test_refused_credentials_pause_the_destination(vendor):
    failure = refused(connected("salesforce", vendor, client_secret="s3cret-wrong"), STORIES["missed"][0])

    assert type(failure) is DestinationUnusable
    assert "invalid_client" in failure.reason
    assert "s3cret" not in failure.reason


def test_a_token_that_is_refused_when_new_pauses_the_destination(vendor):
    for _ in range(2):
        vendor.refuse(error(401, "INVALID_SESSION_ID"), WRITE)

    assert type(refused(connected("salesforce", vendor), STORIES["missed"][0])) is DestinationUnusable
    assert len(vendor.asked(TOKEN)) == 2


def test_a_lost_answer_to_the_request_for_a_token_is_no_doubt(vendor):
    vendor.lose_after(1)

    assert type(refused(connected("salesforce", vendor), STORIES["missed"][0])) is TemporaryFailure


def test_a_quote_in_an_id_stays_in_its_query():
    assert oldest("Task", "F__c", ["a' OR Id != '\\", "b"]) == (
        r"SELECT Id, F__c FROM Task WHERE F__c IN ('a\' OR Id != \'\\', 'b') ORDER BY CreatedDate"
    )


@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        (error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), TemporaryFailure, 1800.0),
        (error(400, "UNABLE_TO_LOCK_ROW"), TemporaryFailure, None),
        (error(400, "DUPLICATE_VALUE"), TemporaryFailure, None),
        (error(500, "UNKNOWN_EXCEPTION"), TemporaryFailure, None),
        (error(503, "SERVER_UNAVAILABLE"), TemporaryFailure, None),
        (error(429, "TOO_MANY", Retry_After="9"), TemporaryFailure, 9.0),
        (error(300, "MULTIPLE_CHOICES"), PermanentFailure, None),
        (error(400, "REQUIRED_FIELD_MISSING"), PermanentFailure, None),
        (error(400, "INVALID_CROSS_REFERENCE_KEY"), PermanentFailure, None),
        (error(403, "INSUFFICIENT_ACCESS"), DestinationUnusable, None),
        (error(404, "NOT_FOUND"), PermanentFailure, None),
        (error(405, "METHOD_NOT_ALLOWED"), PermanentFailure, None),
        (error(415, "UNSUPPORTED_MEDIA_TYPE"), PermanentFailure, None),
        (reply(201, {"success": True}), TemporaryFailure, None),
        (Reply(200, b"<html>maintenance", {}), TemporaryFailure, None),
    ],
)
def test_each_answer_of_salesforce_has_its_class(vendor, answer, kind, wait):
    vendor.refuse(answer, WRITE)

    failure = refused(connected("salesforce", vendor), STORIES["missed"][0])

    assert type(failure) is kind, failure
    assert getattr(failure, "retry_after", None) == wait


@pytest.mark.parametrize("wrong", [{"several": "all"}, {"field": "Callrouter"}, {"field": "A__c OR Id"}, {"url": "x"}])
def test_wrong_settings_are_refused(wrong):
    given = {"url": "https://x.my.salesforce.com", "client_id": "a", "client_secret": "b", **wrong}

    with pytest.raises(ValidationError):
        Salesforce.Settings.model_validate(given)
