"""A backlog of many calls at every CRM that takes several at once: few requests, one record each, no harm by others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from router.crm import BatchedCrm
from router.errors import AnswerLost, DestinationUnusable, PermanentFailure, TemporaryFailure
from router.testing import make_delivery
from tests.harness import salesforce, specs, zoho
from tests.harness.backlog import SECOND, customer, keep_all, missed, together
from tests.harness.crms import CRMS, connected
from tests.harness.hubspot import HubspotVendor, limited
from tests.harness.vendor import reply
from tests.harness.zoho import ZohoVendor

BATCHED = sorted(name for name, (plugin, _) in CRMS.items() if issubclass(plugin, BatchedCrm))
#: No user of any of them.
NOBODY = "404"

LIMITS = {
    "hubspot": limited("TEN_SECONDLY_ROLLING"),
    "salesforce": salesforce.error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    "zoho": zoho.error(429, "TOO_MANY_REQUESTS", details={"retry_after": 45}),
}
WAITS = {"hubspot": 10.0, "salesforce": 1800.0, "zoho": 45.0}
#: Where many records are written at once.
WRITE = {"hubspot": "calls/batch/upsert", "salesforce": "composite/sobjects", "zoho": "Calls/upsert"}


@pytest.fixture(params=BATCHED)
def name(request):
    return request.param


def test_pipedrive_takes_activities_one_at_a_time_and_the_others_take_many():
    assert BATCHED == ["hubspot", "salesforce", "zoho"]
    assert {name: CRMS[name][0].batch_size for name in CRMS} == {
        "hubspot": 100, "pipedrive": 1, "salesforce": 200, "zoho": 100,
    }  # fmt: skip


def test_a_backlog_of_250_calls_is_one_record_each_in_few_requests(name, vendor_of):
    vendor = vendor_of(name)
    contacts = {customer(number): vendor.contact(customer(number)) for number in range(0, 250, 2)}

    ended = keep_all(connected(name, vendor), missed(250), tries=1)

    assert len(vendor.records) == 250
    assert len({receipt["id"] for receipt in ended.values()}) == 250
    assert [ended[f"key-{number}"]["contacts"] for number in (0, 1, 248)] == [
        [contacts[customer(0)]], [], [contacts[customer(248)]],
    ]  # fmt: skip
    assert sorted(vendor.links()) == sorted(contacts.values())
    assert len(vendor.received) <= 25


def test_it_leaves_what_one_call_after_the_other_leaves(name, vendor_of):
    plain, batched = vendor_of(name), vendor_of(name)
    for vendor in (plain, batched):
        vendor.contact(customer(1))
        vendor.contact("020 7946 0002")
    backlog = missed(6)

    alone = {one.key: connected(name, plain).deliver(one) for one in backlog}
    ended = keep_all(connected(name, batched), backlog, tries=1)

    assert sorted(map(repr, batched.records)) == sorted(map(repr, plain.records))
    assert {key: receipt["contacts"] for key, receipt in ended.items()} == {
        key: receipt["contacts"] for key, receipt in alone.items()
    }


@pytest.mark.parametrize("stored", ["+44 20 7946 0001", "442079460001", "020 7946 0001", "02079460001"])
def test_a_contact_is_found_however_its_number_was_typed(name, vendor_of, stored):
    vendor = vendor_of(name)
    contact = vendor.contact(stored)

    ended = keep_all(connected(name, vendor), missed(3), tries=1)

    assert [ended[f"key-{number}"]["contacts"] for number in range(3)] == [[], [contact], []]


@pytest.mark.parametrize("lost", range(1, 12))
def test_whichever_answer_is_lost_each_call_and_each_stranger_is_there_once(name, vendor_of, lost):
    vendor = vendor_of(name)
    plugin = connected(name, vendor, create_contact=True)
    # The loss of a token has tests of its own.
    plugin.grant()
    vendor.lose_after(lost)

    keep_all(plugin, missed(60, callers=40))

    assert (len(vendor.records), len(vendor.contacts)) == (60, 40)


def test_a_record_that_is_refused_is_the_fault_of_its_own_delivery_alone(name, vendor_of):
    vendor = vendor_of(name)
    plugin = connected(name, vendor, owners={SECOND: NOBODY}, owner="57")

    ended = keep_all(plugin, missed(50, line=SECOND), tries=1)

    assert [key for key, one in ended.items() if not isinstance(one, dict)] == ["key-0"]
    assert type(ended["key-0"]) is PermanentFailure
    assert len(vendor.records) == 49
    assert len(vendor.asked(WRITE[name])) == 1


def test_a_limit_counts_for_the_whole_batch_and_nothing_is_written(name, vendor_of):
    vendor = vendor_of(name)
    plugin = connected(name, vendor)
    plugin.grant()
    vendor.refuse(LIMITS[name])

    results = together(plugin, missed(20))

    assert {type(one) for one in results} == {TemporaryFailure}
    assert {one.retry_after for one in results} == {WAITS[name]}
    assert (len(vendor.records), len(keep_all(plugin, missed(20), tries=1))) == (0, 20)


def test_a_lost_answer_to_a_batch_is_unknown_for_each_of_it(name, vendor_of):
    vendor = vendor_of(name)
    plugin = connected(name, vendor)
    plugin.grant()
    keep_all(plugin, missed(2), tries=1)
    vendor.lose_after(len(vendor.received) - (name != "hubspot"))

    results = together(plugin, missed(10)[2:])

    assert {type(one) for one in results} == {AnswerLost}
    assert len(vendor.records) == 10
    keep_all(plugin, missed(10), tries=1)
    assert len(vendor.records) == 10


def test_a_call_that_has_its_record_is_written_again_and_not_anew(name, vendor_of):
    vendor = vendor_of(name)
    plugin = connected(name, vendor)
    backlog = missed(30)
    receipts = keep_all(plugin, backlog[:20], tries=1)

    renamed = [replace(one, receipt=receipts.get(one.key), call={**one.call, "tag": "later"}) for one in backlog]
    ended = keep_all(plugin, renamed, tries=1)

    assert len(vendor.records) == 30
    assert {key: ended[key]["id"] for key in receipts} == {key: one["id"] for key, one in receipts.items()}
    assert all("later" in str(record) for record in vendor.records)


def test_an_expired_token_is_replaced_once_for_the_batch(name):
    with_tokens = {"hubspot": lambda: HubspotVendor(app=True)}.get(name, CRMS[name][1])()
    try:
        plugin = connected(name, with_tokens)
        keep_all(plugin, missed(3), tries=1)
        with_tokens.expire()

        keep_all(plugin, missed(30), tries=1)

        assert len(with_tokens.asked("token")) == 2
        assert len(with_tokens.records) == 30
    finally:
        with_tokens.close()


def test_calls_of_one_stranger_in_one_batch_make_one_contact(name, vendor_of):
    vendor = vendor_of(name)

    ended = keep_all(connected(name, vendor, create_contact=True), missed(10, callers=2), tries=1)

    assert len(vendor.contacts) == 2
    assert len({receipt["contacts"][0] for receipt in ended.values()}) == 2


def test_a_search_for_many_that_is_refused_is_made_for_each_and_the_calls_are_written_together(name, vendor_of):
    vendor = vendor_of(name)
    contact = vendor.contact(customer(1))
    plugin = connected(name, vendor)
    plugin.grant()
    vendor.refuse(reply(400, {"code": "INVALID_QUERY", "message": "no such operator"}))

    ended = keep_all(plugin, missed(5), tries=1)

    assert [one["contacts"] for one in ended.values()] == [[], [contact], [], [], []]
    assert len(vendor.asked(WRITE[name])) == 1


def test_an_alert_in_a_batch_is_no_call_and_one_that_goes_on_is_kept_where_it_can_be(name, vendor_of):
    vendor = vendor_of(name)
    ringing = make_delivery("ringing")
    ringing = replace(ringing, call={**ringing.call, "uuid": "rings"}, receipt={"crm": "other", "id": "9"})

    alert, goes_on, over = together(connected(name, vendor), [make_delivery("alert"), ringing, *missed(1)])

    assert alert is None
    assert over["id"]
    # Zoho keeps a call once it is over.
    assert (goes_on == ringing.receipt) == (name == "zoho")
    assert len(vendor.records) == (1 if name == "zoho" else 2)


@pytest.mark.parametrize("name", [name for name in BATCHED if name != "salesforce"])
def test_every_request_is_what_the_vendors_own_specification_asks_for(name, vendor_of):
    spec, vendor = specs.needed(name), vendor_of(name)
    vendor.contact(customer(1))
    plugin = connected(name, vendor, create_contact=True, owner="12")
    receipts = keep_all(plugin, missed(60, callers=50), tries=1)
    keep_all(plugin, [replace(one, receipt=receipts[one.key]) for one in missed(60, callers=50)], tries=1)

    assert [fault for one in vendor.received for fault in specs.faults(spec, one) if "oauth" not in one.path] == []


# Of one vendor ------------------------------------------------------------------------------------------


def test_hubspot_makes_its_properties_where_a_batch_finds_them_missing():
    vendor = HubspotVendor(ready=False)
    try:
        keep_all(connected("hubspot", vendor, create_contact=True), missed(20), tries=1)
    finally:
        vendor.close()

    assert (len(vendor.records), len(vendor.contacts)) == (20, 20)
    assert len(vendor.asked("properties/calls/groups")) == 1


@pytest.mark.parametrize("context", [{}, {"objectWriteTraceId": ["somebody:else"]}])
def test_hubspots_refusal_that_names_nobody_is_found_by_halving(vendor_of, context):
    vendor = vendor_of("hubspot")
    plugin = connected("hubspot", vendor)
    error = {"category": "VALIDATION_ERROR", "message": "one of them", "context": context}
    vendor.refuse(reply(207, {"results": [], "errors": [error]}), WRITE["hubspot"])

    assert {type(one) for one in together(plugin, missed(8))} == {dict}
    assert len(vendor.records) == 8


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"results": []}, AnswerLost),
        ({}, AnswerLost),
        ({"results": [], "errors": [{"category": "RATE_LIMITS", "message": "later"}]}, TemporaryFailure),
        ({"results": [], "errors": [{"category": "INTERNAL_ERROR", "context": {"ids": ["x"]}}]}, TemporaryFailure),
    ],
)
def test_what_hubspot_says_nothing_of_is_not_taken_as_done(vendor_of, said, kind):
    vendor = vendor_of("hubspot")
    vendor.refuse(reply(207, said), WRITE["hubspot"])

    assert {type(one) for one in together(connected("hubspot", vendor), missed(8))} == {kind}


def test_hubspots_link_that_fails_fails_its_own_delivery_alone(vendor_of):
    vendor = vendor_of("hubspot")
    for number in range(4):
        vendor.contact(customer(number))
    plugin = connected("hubspot", vendor)
    backlog = missed(4)
    gone = replace(backlog[2], receipt={"crm": "hubspot", "id": "1", "contacts": ["999"]})

    results = together(plugin, [*backlog[:2], gone, backlog[3]])

    assert [type(one) for one in results] == [dict, dict, PermanentFailure, dict]
    assert "OBJECT_NOT_FOUND" in str(results[2])
    assert len(vendor.links()) == 3


def test_hubspot_looks_through_all_pages_of_a_search(vendor_of):
    vendor = vendor_of("hubspot")
    for _ in range(250):
        vendor.contact(customer(0), created="2026-01-01T00:00:00Z")
    last = vendor.contact(customer(1), created="2026-02-01T00:00:00Z")

    ended = keep_all(connected("hubspot", vendor), missed(2), tries=1)

    assert ended["key-1"]["contacts"] == [last]


def test_an_org_without_a_call_center_gets_the_facts_of_a_backlog_in_the_notes():
    vendor = salesforce.SalesforceVendor(call_center=False)
    try:
        keep_all(connected("salesforce", vendor), missed(20), tries=1)
    finally:
        vendor.close()

    assert len(vendor.records) == 20
    assert {"TaskSubtype", "CallType"}.isdisjoint(vendor.records[0])
    assert len(vendor.asked(WRITE["salesforce"])) == 2


@pytest.mark.parametrize("name", ["salesforce", "zoho"])
def test_a_backlog_finds_that_an_org_lacks_the_field_and_pauses_the_destination(name):
    vendor = CRMS[name][1](field=False)
    try:
        results = together(connected(name, vendor), missed(5))
    finally:
        vendor.close()

    assert {type(one) for one in results} == {DestinationUnusable}
    assert "the manual says how to make it" in str(results[0])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UNABLE_TO_LOCK_ROW", TemporaryFailure),
        ("DUPLICATE_VALUE", TemporaryFailure),
        ("UNKNOWN_EXCEPTION", TemporaryFailure),
        ("REQUIRED_FIELD_MISSING", PermanentFailure),
    ],
)
def test_each_record_that_salesforce_refuses_has_its_class(vendor_of, code, kind):
    vendor = vendor_of("salesforce")
    good = {"id": "00T1", "success": True, "errors": []}
    bad = {"success": False, "errors": [{"statusCode": code, "message": "m", "fields": []}]}
    vendor.refuse(reply(200, [good, bad]), WRITE["salesforce"])

    results = together(connected("salesforce", vendor), missed(3))

    assert [type(one) for one in results] == [dict, kind, AnswerLost]


def test_zoho_without_the_scope_for_queries_is_searched_one_number_after_the_other():
    vendor = ZohoVendor(queries=False)
    contact = vendor.contact(customer(1))
    try:
        ended = keep_all(connected("zoho", vendor), missed(4), tries=1)
    finally:
        vendor.close()

    assert [one["contacts"] for one in ended.values()] == [[], [contact], [], []]
    assert len(vendor.asked("Contacts/search")) == 4


def test_zoho_says_of_each_record_why_it_refused_the_whole_request(vendor_of):
    vendor = vendor_of("zoho")
    good = {"code": "SUCCESS", "status": "success", "details": {"id": "9"}}
    bad = {"code": "INVALID_DATA", "status": "error", "message": "invalid data", "details": {"api_name": "Subject"}}
    vendor.refuse(reply(400, {"data": [good, bad]}), WRITE["zoho"])

    results = together(connected("zoho", vendor), missed(2))

    assert [type(one) for one in results] == [dict, PermanentFailure]
    assert b"INVALID_DATA" in results[1].body


def test_zoho_records_of_another_type_are_found_and_changed_in_a_batch(vendor_of):
    vendor = vendor_of("zoho")
    plugin = connected("zoho", vendor)
    backlog = missed(6)
    first = keep_all(plugin, backlog[:3], tries=1)

    # Their receipts are lost, and one of them turns out to have been answered.
    changed = [
        replace(one, call={**one.call, "missed": False, "answered": True, "talk_seconds": 90.0}) for one in backlog
    ]
    ended = keep_all(plugin, changed, tries=1)

    assert len(vendor.records) == 6
    assert all(ended[key]["id"] == receipt["id"] for key, receipt in first.items())
    assert {record["Call_Duration"] for record in vendor.records} == {"01:30"}
