"""Calls through a whole daemon into every CRM: receipts come from the store, attempts from several processes."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from router import samples
from tests.acceptance.settings import RETRY
from tests.harness.crms import CRMS
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.vendor import Vendor, reply
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

NAMES = ("answered", "missed", "busy", "cancelled", "rejected", "dtmf")


def config(vendors: dict[str, Vendor]) -> str:
    def settings(vendor: Vendor) -> str:
        return json.dumps({**vendor.settings, "owners": {samples.OFFICE: "57"}})[1:-1]

    crms = "".join(f"  {name}: {{type: {name}, {settings(one)}, {RETRY}}}\n" for name, one in vendors.items())
    return f"""{LISTEN}
calls: {{settle: 200ms}}
sources:
  wavix: {{}}
destinations:
{crms}
rules:
  - name: calls
    when: {{event_type: "*"}}
    send: [{", ".join(vendors)}]
unmatched: drop
alerts: none
"""


#: What only the record of a call that is over says.
OVER = {
    "hubspot": lambda record: record["hs_call_duration"] != "",
    "pipedrive": lambda record: record["done"],
    "salesforce": lambda record: record["Status"] == "Completed",
    "zoho": lambda record: True,
}


def waiting(daemon: Daemon) -> float:
    return sum(value for name, value in daemon.metrics().items() if name.startswith("callrouter_waiting{"))


def test_every_call_leaves_one_finished_record_in_every_crm_while_answers_are_lost(tmp_path: Path) -> None:
    with ExitStack() as stack:
        vendors = {name: stack.enter_context(closing(vendor())) for name, (_, vendor) in CRMS.items()}
        contacts = {name: vendor.contact(samples.CUSTOMER) for name, vendor in vendors.items()}
        daemon = stack.enter_context(Daemon(tmp_path, config(vendors)))
        for vendor in vendors.values():
            vendor.lose_after(4)
            vendor.refuse(reply(503))
        for name in NAMES:
            for timed in samples.play(name, started_at=time.time() - 300):
                assert daemon.post(json.dumps(timed.event).encode()).status == 200

        for name, vendor in vendors.items():
            until(lambda one=vendor: len(one.records) >= len(NAMES), 60, what=f"{name} has every call")
            until(lambda one=vendor, over=OVER[name]: all(map(over, one.records)), what=f"{name} has every end")
        until(lambda: waiting(daemon) == 0, 60, what="nothing is left to deliver", every=0.2)

    assert {name: len(vendor.records) for name, vendor in vendors.items()} == dict.fromkeys(vendors, len(NAMES))
    for name, vendor in vendors.items():
        assert set(vendor.links()) == {contacts[name]}
