"""Backlogs through a whole daemon: many calls in a request, each recorded for itself, and none harmed by another."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from router.crm import BatchedCrm
from tests.acceptance.settings import RETRY, an_event
from tests.harness.backlog import SECOND, customer
from tests.harness.calls import OURS, make_event
from tests.harness.crms import CRMS
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.vendor import Vendor
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

COUNT = 250


def call(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def config(vendors: dict[str, Vendor]) -> str:
    def settings(vendor: Vendor) -> str:
        return json.dumps({**vendor.settings, "owner": "57", "owners": {SECOND: "404"}})[1:-1]

    crms = "".join(f"  {name}: {{type: {name}, {settings(one)}, {RETRY}}}\n" for name, one in vendors.items())
    return f"""{LISTEN}
calls: {{settle: 100ms}}
own_numbers: ["{OURS}", "{SECOND}"]
sources:
  wavix: {{}}
destinations:
{crms}
rules:
  - name: calls
    when: {{event_type: call_ended}}
    send: [{", ".join(vendors)}]
unmatched: drop
alerts: none
"""


def waiting(daemon: Daemon, name: str) -> float:
    return daemon.metrics().get(f'callrouter_waiting{{destination="{name}"}}', 0)


def dead(daemon: Daemon) -> list[dict]:
    return [json.loads(line) for line in daemon.run("deliveries", "--state", "dead", "--json").out.splitlines()]


def test_a_backlog_of_250_calls_is_one_record_each_in_few_requests_while_answers_are_lost(tmp_path: Path) -> None:
    batched = [name for name, (plugin, _) in CRMS.items() if issubclass(plugin, BatchedCrm)]
    with ExitStack() as stack:
        vendors = {name: stack.enter_context(closing(CRMS[name][1]())) for name in batched}
        contacts = {name: vendor.contact(customer(7)) for name, vendor in vendors.items()}
        daemon = stack.enter_context(Daemon(tmp_path, config(vendors)))
        for name in vendors:
            assert daemon.run("pause", name, "--wait").code == 0
        for number in range(COUNT):
            line = {"to": SECOND} if number == 3 else {}
            event = make_event("completed", 18.0, uuid=call(number), **{"from": customer(number), **line})
            assert daemon.post(event.body).status == 200
        for name in vendors:
            until(lambda name=name: waiting(daemon, name) == COUNT, 60, what=f"{name} is owed all", every=0.2)
        for vendor in vendors.values():
            # A token, then searches, then what is written: one of each kind of answer gets lost.
            vendor.lose_after(8)

        for name in vendors:
            assert daemon.run("resume", name).code == 0
        for name in vendors:
            until(lambda name=name: waiting(daemon, name) == 0, 120, what=f"{name} is owed nothing", every=0.2)
        refused = dead(daemon)

    for name, vendor in vendors.items():
        assert vendor.lost == 1
        # All but the one whose owner nobody is.
        assert len(vendor.records) == COUNT - 1, name
        assert vendor.links() == [contacts[name]]
        assert len(vendor.received) < COUNT / 3, name
    assert sorted(one["destination"] for one in refused) == sorted(vendors)
    assert {one["call"] for one in refused} == {call(3)}


PLUGIN = """\
import os

from router.plugin import Plugin, Settings, setting


class FragileSettings(Settings):
    path: str = setting("Where it writes what it was told.")


class Fragile(Plugin[FragileSettings]):
    type = "fragile"
    Settings = FragileSettings
    repeatable = True
    batch_size = 8

    def deliver(self, delivery):
        self.deliver_many([delivery])

    def deliver_many(self, deliveries):
        if any(delivery.event["tag"] == "poison" for delivery in deliveries):
            os._exit(7)
        with open(self.settings.path, "a") as told:
            told.write("".join(f"{delivery.key} {len(deliveries)}\\n" for delivery in deliveries))
        return [None] * len(deliveries)
"""


def test_a_delivery_that_ends_its_sender_takes_its_batch_along_once_and_not_again(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "fragile.py").write_text(PLUGIN)
    text = f"""{LISTEN}
plugins: {{folders: [mine]}}
sources: {{wavix: {{}}}}
destinations:
  fragile: {{type: fragile, path: told, {RETRY}}}
always: [fragile]
unmatched: drop
alerts: none
"""
    count = 60
    with Daemon(tmp_path, text) as daemon:
        assert daemon.run("pause", "fragile", "--wait").code == 0
        for number in range(count):
            event = {**json.loads(an_event(number)), "tag": "poison" if number == 20 else "fine"}
            assert daemon.post(json.dumps(event).encode()).status == 200
        until(lambda: waiting(daemon, "fragile") == count, 60, what="it is owed all", every=0.2)

        assert daemon.run("resume", "fragile").code == 0
        until(lambda: waiting(daemon, "fragile") == 0, 120, what="it is owed nothing", every=0.2)
        [letter] = dead(daemon)

    told = [line.split() for line in (tmp_path / "told").read_text().splitlines()]
    assert "crashed during 3 attempts" in letter["reason"]
    assert len({key for key, _ in told}) == count - 1
    assert "8" in {size for _, size in told}
    # What was in the batch with it went out again by itself.
    assert "1" in {size for _, size in told}
