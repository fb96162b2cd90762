"""What HubSpot is asked for, and what its answers mean."""

from __future__ import annotations

import threading

import pytest
from pydantic import ValidationError

from plugins.hubspot import Hubspot
from plugins.hubspot.properties import CONNECTED, NO_ANSWER
from router.errors import DestinationUnusable, PermanentFailure, TemporaryFailure
from tests.harness.calls import THEIRS
from tests.harness.crms import connected
from tests.harness.hubspot import HubspotVendor, limited
from tests.harness.vendor import keep, refused, reply
from tests.plugins.test_whole_calls import STORIES, answered, deliveries

UPSERT, SEARCH, LINK = "calls/batch/upsert", "contacts/search", "associations"


@pytest.fixture
def vendor(vendor_of):
    return vendor_of("hubspot")


def test_an_answered_call_says_everything_in_hubspots_units(vendor):
    keep(connected("hubspot", vendor), STORIES["answered"])

    [record] = vendor.records
    assert record == {
        "callrouter_call": "wavix:c1",
        "hs_timestamp": "2025-09-22T12:56:38.500Z",
        "hs_call_title": "Call from +44 20 7946 0001",
        "hs_call_body": "From +44 20 7946 0001 to +44 20 7946 0958<br>Outcome: answered<br>Rang 8s<br>Talked 1m 30s",
        "hs_call_direction": "INBOUND",
        "hs_call_from_number": THEIRS,
        "hs_call_to_number": "+442079460958",
        "hs_call_status": "COMPLETED",
        "hs_call_disposition": CONNECTED,
        "hs_call_duration": "90000",
    }


@pytest.mark.parametrize(
    ("story", "status", "disposition"),
    [
        ("missed", "NO_ANSWER", NO_ANSWER),
        ("busy", "BUSY", "9d9162e7-6cf3-4944-bf63-4dff82258764"),
        ("answered after its end was told", "COMPLETED", CONNECTED),
    ],
)
def test_an_outcome_becomes_one_of_hubspots(vendor, story, status, disposition):
    keep(connected("hubspot", vendor), STORIES[story])

    [record] = vendor.records
    assert (record["hs_call_status"], record["hs_call_disposition"]) == (status, disposition)


def test_a_call_that_goes_on_says_how_far_it_is(vendor):
    seen = []
    receipt, plugin = None, connected("hubspot", vendor)
    for delivery in STORIES["answered"][:3]:
        receipt = keep(plugin, [delivery], receipt)
        seen.append(vendor.records[0]["hs_call_status"])

    assert seen == ["CONNECTING", "RINGING", "IN_PROGRESS"]
    assert vendor.records[0]["hs_call_title"] == "Call from +44 20 7946 0001 (in progress)"


def test_outcomes_of_the_accounts_own_and_owners_by_line(vendor):
    plugin = connected("hubspot", vendor, outcomes={"answered": "mine"}, owners={"+442079460958": "77"}, owner="78")

    keep(plugin, STORIES["answered"])

    assert (vendor.records[0]["hs_call_disposition"], vendor.records[0]["hubspot_owner_id"]) == ("mine", "77")


def test_text_of_a_caller_stays_text_in_the_note(vendor):
    keep(connected("hubspot", vendor), deliveries(answered(tag="<img src=x>")))

    assert vendor.records[0]["hs_call_body"].endswith("<br>Tag: &lt;img src=x&gt;")


@pytest.mark.parametrize(("several", "taken"), [("oldest", ["old"]), ("newest", ["new"]), ("all", ["old", "new"])])
def test_of_several_contacts_the_configured_are_linked_whatever_the_search_sorts_by(vendor, several, taken):
    ids = {
        "new": vendor.contact(THEIRS, created="2026-02-01T00:00:00Z"),
        "old": vendor.contact("020 7946 0001", created="2025-02-01T00:00:00Z"),
    }

    keep(connected("hubspot", vendor, several=several), STORIES["missed"])

    assert vendor.links() == [ids[one] for one in taken]


def test_a_contact_is_linked_once_and_searched_for_once(vendor):
    vendor.contact(THEIRS)

    keep(connected("hubspot", vendor), STORIES["answered"])

    assert len(vendor.asked(SEARCH)) == len(vendor.asked(LINK)) == 1


def test_the_properties_that_tell_calls_apart_are_made_where_they_are_missing(vendor_of):
    vendor = HubspotVendor(ready=False)
    try:
        keep(connected("hubspot", vendor, create_contact=True), STORIES["missed"])
    finally:
        vendor.close()

    assert len(vendor.records) == len(vendor.contacts) == 1
    assert vendor.unique == {"calls": {"callrouter_call"}, "contacts": {"callrouter_number"}}


def test_a_property_that_may_not_be_made_pauses_the_destination():
    vendor = HubspotVendor(ready=False)
    vendor.refuse(reply(403, {"category": "MISSING_SCOPES", "message": "scopes"}), "properties/calls/groups")
    try:
        failure = refused(connected("hubspot", vendor), STORIES["missed"][0])
    finally:
        vendor.close()

    assert isinstance(failure, DestinationUnusable)


@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        (limited("TEN_SECONDLY_ROLLING"), TemporaryFailure, 10.0),
        (limited("SECONDLY"), TemporaryFailure, 1.0),
        (limited("X", "You have reached your secondly limit."), TemporaryFailure, 1.0),
        (limited("DAILY"), TemporaryFailure, 3600.0),
        (limited("NEW", **{"X-HubSpot-RateLimit-Interval-Milliseconds": "4000"}), TemporaryFailure, 4.0),
        (limited("DAILY", Retry_After="7"), TemporaryFailure, 7.0),
        (reply(423, {"message": "locked"}), TemporaryFailure, 5.0),
        (reply(477, {"message": "moving"}, Retry_After="90"), TemporaryFailure, 90.0),
        (reply(500), TemporaryFailure, None),
        (reply(503), TemporaryFailure, None),
        (reply(521), TemporaryFailure, None),
        (reply(400, {"category": "VALIDATION_ERROR"}), PermanentFailure, None),
        (reply(401, {"category": "INVALID_AUTHENTICATION"}), DestinationUnusable, None),
        (reply(403, {"category": "MISSING_SCOPES"}), DestinationUnusable, None),
        (reply(404, {"category": "OBJECT_NOT_FOUND"}), PermanentFailure, None),
        (reply(409, {"category": "CONFLICT"}), PermanentFailure, None),
        (reply(400, {"message": "Cannot set it. 51 already has that value."}), TemporaryFailure, 1.0),
        (reply(207, {"results": [], "errors": [{"category": "VALIDATION_ERROR"}]}), PermanentFailure, None),
        (reply(207, {"results": [], "errors": [{"category": "RATE_LIMITS"}]}), TemporaryFailure, None),
        (reply(207, {"results": [], "errors": [{"category": "INTERNAL_ERROR"}]}), TemporaryFailure, None),
        (reply(200, {"results": []}), TemporaryFailure, None),
        (reply(200), TemporaryFailure, None),
    ],
)
def test_each_answer_of_hubspot_has_its_class(vendor, answer, kind, wait):
    vendor.refuse(answer, UPSERT)

    failure = refused(connected("hubspot", vendor), STORIES["missed"][0])

    assert type(failure) is kind, failure
    assert getattr(failure, "retry_after", None) == wait


def test_a_page_that_is_no_json_is_no_success(vendor):
    vendor.refuse(reply(200, None).__class__(200, b"<html>hello</html>", {}), UPSERT)

    assert "no JSON" in str(refused(connected("hubspot", vendor), STORIES["missed"][0]))


def test_a_lost_answer_to_a_search_is_no_doubt(vendor):
    vendor.lose_after(1)

    assert type(refused(connected("hubspot", vendor), STORIES["missed"][0])) is TemporaryFailure


# An app with OAuth --------------------------------------------------------------------------------------


@pytest.fixture
def app():
    vendor = HubspotVendor(app=True)
    yield vendor
    vendor.close()


def test_one_access_token_of_an_app_serves_all_deliveries(app):
    for story in ("answered", "missed"):
        keep(connected("hubspot", app), STORIES[story])

    assert len(app.asked("oauth/v1/token")) == 1
    assert len(app.records) == 1


def test_an_expired_access_token_is_replaced_within_the_attempt(app):
    plugin = connected("hubspot", app)
    keep(plugin, STORIES["missed"][:1])
    app.expire()

    keep(plugin, STORIES["missed"][1:], tries=1)

    assert len(app.asked("oauth/v1/token")) == 2


def test_many_threads_whose_access_token_expired_fetch_one(app):
    keep(connected("hubspot", app), STORIES["missed"][:1])
    app.expire()
    ready = threading.Barrier(6)

    def deliver():
        plugin = connected("hubspot", app)
        ready.wait(10)
        keep(plugin, STORIES["missed"][-1:])

    threads = [threading.Thread(target=deliver) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(app.asked("oauth/v1/token")) == 2


def test_an_access_token_is_used_until_shortly_before_it_ends_and_any_other_401_fetches_none(app):
    plugin = connected("hubspot", app)
    assert plugin.grant().lasts == 1800
    app.refuse(reply(401, {"category": "INVALID_AUTHENTICATION"}), UPSERT)

    assert type(refused(plugin, STORIES["missed"][0])) is DestinationUnusable
    assert len(app.asked("oauth/v1/token")) == 1


def test_a_refresh_token_that_was_revoked_pauses_the_destination_and_is_not_shown(app):
    failure = refused(connected("hubspot", app, refresh_token="s3cret-revoked"), STORIES["missed"][0])

    assert type(failure) is DestinationUnusable
    assert "BAD_REFRESH_TOKEN" in failure.reason
    assert "s3cret" not in failure.reason


APP = {"client_id": "a", "client_secret": "b", "refresh_token": "c"}


@pytest.mark.parametrize("given", [{"token": "t"}, APP])
def test_a_private_app_or_one_with_oauth_is_enough(given):
    assert Hubspot.Settings.model_validate(given)


@pytest.mark.parametrize(
    "given", [{}, {"token": "t", **APP}, {**APP, "client_id": None}, {"token": "t", "client_id": "a"}]
)
def test_half_an_app_or_two_are_refused(given):
    with pytest.raises(ValidationError, match="either the token of a private app, or client_id"):
        Hubspot.Settings.model_validate(given)


@pytest.mark.parametrize(
    "wrong",
    [{"token": ""}, {"owners": {"020 7946 0958": "1"}}, {"several": "first"}, {"url": "api.hubapi.com"}, {"key": "x"}],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        Hubspot.Settings.model_validate({"token": "t", **wrong})
