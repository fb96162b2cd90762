"""A plugin that ends its own process over one event: that one is set aside, and every other one arrives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.settings import RETRY, an_event
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

PLUGIN = """\
import os
import signal
import time

from router.plugin import Delivery, Plugin, Settings, setting


class FragileSettings(Settings):
    path: str = setting("Where it writes what it was told.")


class Fragile(Plugin[FragileSettings]):
    type = "fragile"
    Settings = FragileSettings
    order = "none"
    repeatable = True

    def deliver(self, delivery: Delivery) -> None:
        if delivery.event["tag"] == "poison":
            END
        time.sleep(0.005)  # what telling costs, so that others are under way when the poison ends the process
        with open(self.settings.path, "a") as told:
            told.write(delivery.key + "\\n")
"""
CONFIG = f"""{LISTEN}
plugins: {{folders: [mine]}}
sources: {{wavix: {{}}}}
destinations:
  fragile: {{type: fragile, path: told, {RETRY}}}
always: [fragile]
unmatched: drop
alerts: none
"""
ENDS = {"exit": "os._exit(7)", "SIGSEGV": "os.kill(os.getpid(), signal.SIGSEGV)"}


@pytest.mark.parametrize("end", ENDS)
def test_a_delivery_that_ends_its_sender_is_set_aside_and_all_others_arrive(tmp_path: Path, end: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "fragile.py").write_text(PLUGIN.replace("END", ENDS[end]))
    count = 60
    with Daemon(tmp_path, CONFIG) as daemon:
        for number in range(count):
            event = {**json.loads(an_event(number)), "tag": "poison" if number == 20 else "fine"}
            assert daemon.post(json.dumps(event).encode()).status == 200

        dead = 'callrouter_dead_letters{destination="fragile"}'
        waiting = 'callrouter_waiting{destination="fragile"}'
        until(lambda: daemon.metrics().get(dead) == 1, 60, what="the poison is set aside", every=0.1)
        until(lambda: daemon.metrics()[waiting] == 0, 60, what="nothing is owed", every=0.1)

        [letter] = daemon.run("deliveries", "--state", "dead", "--json").out.splitlines()
        assert "crashed during 3 attempts" in json.loads(letter)["reason"]
        assert daemon.metrics()[dead] == 1
        told = (tmp_path / "told").read_text().split()
        assert len(set(told)) == count - 1
        # What was beside it at one of three crashes may have been written and not been reported.
        unknown = daemon.metrics()['callrouter_attempts_total{destination="fragile",outcome="unknown"}']
        assert len(told) - len(set(told)) <= unknown - 3
