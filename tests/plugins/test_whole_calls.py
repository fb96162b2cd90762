"""Whole calls, at every CRM: whatever happens on the way, one record is left, and it says how the call ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from router import clock
from router.crm import GrantedCrm
from router.errors import TakenAsDelivered
from router.outgoing import RequestsHttp
from router.testing import make_delivery
from tests.harness import specs
from tests.harness.calls import OURS, START, THEIRS, make_event, played
from tests.harness.crms import CRMS, connected
from tests.harness.vendor import deliveries, keep, reply

OTHER = "+442079460111"
#: What people type into a CRM for THEIRS.
TYPED = ("+44 20 7946 0001", "+442079460001", "442079460001", "020 7946 0001", "(020) 7946-0001")


def answered(**more):
    at = clock.text(START + 8)
    over = {"call_answered": at, "call_completed": clock.text(START + 98)}
    return [
        make_event("call_setup", **more),
        make_event("ringing", 0.4, **more),
        make_event("answered", 8.0, call_answered=at, **more),
        make_event("completed", 98.0, **over, **more),
    ]


def missed(**more):
    return [make_event("call_setup", **more), make_event("ringing", 0.4, **more), make_event("completed", 18, **more)]


def transferred():
    [setup, ringing, talking, over] = answered()
    return [setup, ringing, talking, make_event("transfer", 40.0, call_answered=clock.text(START + 8)), over]


STORIES = {
    "answered": deliveries(answered()),
    "missed": deliveries(missed()),
    "busy": deliveries(played("busy")),
    "transferred": deliveries(transferred()),
    "out of order": deliveries([answered()[at] for at in (3, 0, 2, 1)]),
    "answered after its end was told": deliveries(missed(), late=answered()[2:]),
    "only its end": deliveries(answered())[-1:],
}


def granted(name, vendor, **settings):
    """Connected, with a token where one is needed: that one's loss has a test of its own."""
    plugin = connected(name, vendor, **settings)
    if isinstance(plugin, GrantedCrm):
        plugin.grant()
    return plugin


@pytest.fixture(params=sorted(CRMS))
def name(request):
    return request.param


@pytest.mark.parametrize("story", STORIES)
def test_a_call_leaves_one_record(name, vendor_of, story):
    vendor = vendor_of(name)
    contact = vendor.contact(THEIRS)

    receipt = keep(connected(name, vendor), STORIES[story])

    assert len(vendor.records) == 1
    assert receipt["contacts"] == ([contact] if story != "busy" else [])


@pytest.mark.parametrize("lost", range(1, 9))
def test_whichever_answer_is_lost_there_is_one_record(name, vendor_of, lost):
    vendor = vendor_of(name)
    vendor.contact(THEIRS)
    plugin = granted(name, vendor)
    vendor.lose_after(lost)

    keep(plugin, STORIES["answered"])

    assert len(vendor.records) == 1


@pytest.mark.parametrize("lost", range(1, 9))
def test_whichever_answer_is_lost_a_stranger_becomes_one_contact(name, vendor_of, lost):
    vendor = vendor_of(name)
    plugin = granted(name, vendor, create_contact=True)
    vendor.lose_after(lost)

    keep(plugin, STORIES["answered"])

    assert len(vendor.records) == len(vendor.contacts) == 1


def test_a_second_call_of_a_stranger_makes_no_second_contact_before_the_search_knows_of_the_first(name, vendor_of):
    vendor = vendor_of(name)
    plugin = connected(name, vendor, create_contact=True)

    for uuid in ("c1", "c2"):
        owed = [replace(one, call={**one.call, "uuid": uuid}) for one in STORIES["missed"]]
        keep(plugin, owed)

    assert (len(vendor.records), len(vendor.contacts)) == (2, 1)


def test_the_contact_of_a_late_search_is_linked_as_soon_as_it_is_found(name, vendor_of):
    vendor = vendor_of(name)
    plugin = connected(name, vendor)
    story = STORIES["answered after its end was told"]

    without = keep(plugin, story[:4])
    contact = vendor.contact(THEIRS)
    receipt = keep(plugin, story[4:], without)

    assert without["contacts"] == []
    assert receipt["contacts"] == [contact]
    assert vendor.links() == [contact]


def test_a_replayed_event_moves_nothing_backwards(name, vendor_of):
    vendor = vendor_of(name)
    plugin = connected(name, vendor)
    receipt = keep(plugin, STORIES["answered"])
    [before] = [dict(record) for record in vendor.records]

    keep(plugin, [replace(STORIES["answered"][1], call=STORIES["answered"][-1].call)], receipt)

    assert vendor.records == [before]


def test_an_alert_is_no_call(name, vendor_of):
    vendor = vendor_of(name)

    assert connected(name, vendor).deliver(make_delivery("alert")) is None
    assert vendor.received == []


def test_an_answer_that_the_operator_takes_as_done_is_done(name, vendor_of):
    vendor = vendor_of(name)
    plugin, _ = CRMS[name]
    http = RequestsHttp(timeout=10, answers={404: "done"})
    vendor.refuse(reply(404), "search")

    with pytest.raises(TakenAsDelivered):
        plugin(plugin.Settings.model_validate(vendor.settings), http).deliver(STORIES["missed"][-1])


def test_two_calls_are_two_records(name, vendor_of):
    vendor = vendor_of(name)
    plugin = connected(name, vendor)

    for source in ("wavix", "other"):
        keep(plugin, [replace(one, call={**one.call, "source": source}) for one in STORIES["missed"]])

    assert len(vendor.records) == 2


def test_a_receipt_of_another_kind_of_destination_is_not_taken_for_its_own(name, vendor_of):
    vendor = vendor_of(name)

    keep(connected(name, vendor), STORIES["missed"], {"crm": "other", "id": "9", "contacts": ["4"]})

    assert len(vendor.records) == 1


def test_our_own_number_is_never_the_customer(name, vendor_of):
    vendor = vendor_of(name)
    ours = vendor.contact(OURS)

    receipt = keep(connected(name, vendor, create_contact=True), deliveries(missed(**{"from": OURS, "to": OTHER})))

    assert receipt["contacts"] == vendor.links() == []
    assert vendor.contacts == [ours]


@pytest.mark.parametrize(
    ("name", "stored"),
    [(name, typed) for name, (_, vendor) in sorted(CRMS.items()) for typed in TYPED if typed not in vendor.blind],
)
def test_a_contact_is_found_however_its_number_was_typed(name, vendor_of, stored):
    vendor = vendor_of(name)
    contact = vendor.contact(stored)

    assert keep(connected(name, vendor), STORIES["missed"])["contacts"] == [contact]


def test_a_contact_that_the_search_returns_and_whose_number_differs_is_not_taken(name, vendor_of):
    vendor = vendor_of(name)
    vendor.contact("+1 207-946-0001")

    assert keep(connected(name, vendor), STORIES["missed"])["contacts"] == []


@pytest.mark.parametrize("name", [name for name in sorted(CRMS) if name != "salesforce"])
def test_every_request_is_what_the_vendors_own_specification_asks_for(name, vendor_of):
    spec, vendor = specs.needed(name), vendor_of(name)
    for settings in ({}, {"create_contact": True, "owner": "12"}):
        keep(connected(name, vendor, **settings), STORIES["answered"])
    vendor.contact("020 7946 0001")
    keep(connected(name, vendor), STORIES["missed"])

    assert [fault for one in vendor.received for fault in specs.faults(spec, one) if "oauth" not in one.path] == []
