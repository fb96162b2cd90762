"""The worker takes another configuration between two turns, if the store agrees."""

from __future__ import annotations

import time

import pytest

from router.commands.file import CommandFile
from router.config import load
from router.errors import StoreError
from router.store import Filter, State
from router.store.sqlite.reading import SqliteReading
from router.units import rate
from router.worker.fitting import decided
from router.worker.limits import Bucket, Limits
from tests.worker.bench import CONFIG, Bench

RENAMED = CONFIG.replace("crm: {", "hub: {formerly: crm, ").replace("[crm]", "[hub]")
OTHER = CONFIG.replace("crm: {", "other: {").replace("[crm]", "[other]")
CHANGED = CONFIG.replace("crm.example", "crm2.example")


def versions(bench: Bench) -> list[str]:
    reading = SqliteReading.open(bench.data)
    try:
        return [row.config_version for row in reading.events(Filter(), 100)][::-1]
    finally:
        reading.close()


def paused(bench: Bench) -> dict[str, str | None]:
    reading = SqliteReading.open(bench.data)
    try:
        return {row.name: row.paused_reason for row in reading.destinations()}
    finally:
        reading.close()


def test_what_is_routed_before_has_the_old_version_and_what_is_routed_after_the_new(bench):
    before = bench.config.version
    bench.accept()

    assert bench.move(CHANGED).kind == "committed"
    bench.accept(event_type="answered")
    bench.turn()

    assert versions(bench) == [before, load(bench.folder / "config.yaml").version]


def test_nothing_is_claimed_until_the_senders_have_moved(bench):
    bench.move(CHANGED)
    bench.accept()
    bench.turn()
    assert not bench.hears()

    bench.everybody_moved()
    bench.turn()

    assert len(bench.jobs()) == 1


def test_a_destination_that_is_owed_something_cannot_go(bench):
    bench.accept()
    bench.turn()

    said = bench.move(OTHER)

    assert said.kind == "refused"
    assert (
        said.problems[0].text == 'destination "crm" is gone from the configuration, but 1 delivery to it is unfinished'
    )
    assert "callrouter give-up crm" in (said.problems[0].hint or "")
    assert bench.worker.config is bench.config
    assert set(paused(bench)) == {"crm"}


def test_what_was_given_up_just_now_keeps_no_destination(bench):
    bench.accept()
    bench.turn()
    [job] = bench.jobs()
    CommandFile(bench.data).append("give-up", {"destination": "crm"}, who="ada", now=time.time())

    assert bench.move(OTHER).kind == "committed"
    # The attempt that was under way then ends without a destination.
    bench.answer(job, "temporary", "busy")
    bench.turn()

    assert bench.delivery().state is State.DEAD


def test_what_is_in_hand_comes_along_with_a_new_name(bench):
    bench.accept()
    bench.turn()
    [job] = bench.jobs()

    assert bench.move(RENAMED).kind == "committed"
    assert (bench.worker.senders.in_hand("hub"), bench.worker.senders.in_hand("crm")) == (1, 0)
    bench.everybody_moved()
    # The sender does not serve the old name any more.
    bench.answer(job, "released")
    bench.turn()
    [again] = bench.jobs()
    bench.answer(again)
    bench.turn()

    assert (again.destination, again.key) == ("hub", job.key)
    assert (bench.delivery().destination, bench.delivery().state) == ("hub", State.DELIVERED)
    assert bench.worker.senders.in_hand("hub") == 0


def test_changed_settings_end_the_pause_that_the_old_ones_caused(bench):
    bench.accept()
    bench.turn()
    [job] = bench.jobs()
    bench.answer(job, "unusable", "crm.example answered 401")
    bench.turn()
    assert paused(bench) == {"crm": "crm.example answered 401"}

    bench.move(CONFIG + "# nothing has changed\n")
    assert paused(bench) == {"crm": "crm.example answered 401"}
    bench.move(CHANGED)
    assert paused(bench) == {"crm": None}


def test_the_answer_to_old_settings_does_not_pause_the_new_ones(bench):
    bench.accept()
    bench.turn()
    [job] = bench.jobs()

    bench.move(CHANGED)
    bench.answer(job, "unusable", "crm.example answered 401")
    bench.turn()
    assert paused(bench) == {"crm": None}
    bench.everybody_moved()
    bench.turn()
    [again] = bench.jobs()
    bench.answer(again, "unusable", "crm2.example answered 401")
    bench.turn()

    assert paused(bench) == {"crm": "crm2.example answered 401"}


def test_a_store_that_refuses_leaves_everything_as_it_was(bench, monkeypatch):
    def full(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr(bench.store, "know", full)

    said = bench.move(CHANGED)

    assert (said.kind, said.why) == ("refused", "the disk is full")
    assert bench.worker.config is bench.config


def test_the_store_remembers_what_was_decided(bench):
    said = bench.move(CHANGED)
    assert decided(bench.config, said.number)

    refused = bench.move(CHANGED.replace("unmatched: drop", "unmatched: drop\nlisten: 127.0.0.1:1"))

    assert refused.kind == "committed"
    assert not decided(bench.config, said.number)


def test_a_reload_gives_no_destination_a_new_burst(tmp_path):
    text = CONFIG.replace("crm: {", "crm: {rate: 1000/m, ")
    (tmp_path / "config.yaml").write_text(text)
    before = Limits(load(tmp_path / "config.yaml"), 1, 100.0)
    before.buckets["crm"].take(95)
    (tmp_path / "config.yaml").write_text(text.replace("1000/m", "2000/m"))

    same = Limits(load(tmp_path / "config.yaml"), 1, 100.0, before.buckets)

    assert same.buckets["crm"].rate == rate("2000/m")
    assert same.buckets["crm"].allowed(100.0) == before.buckets["crm"].allowed(100.0) == 5


@pytest.mark.parametrize("new", ["10/s", "1000/s"])
def test_a_full_bucket_goes_on_with_no_more_than_the_new_rate_allows(new):
    bucket = Bucket.full(rate("100/s"), 0.0).going_on(rate(new), 0.0)

    assert bucket.allowed(0.0) == min(10, rate(new).count // 10)
