"""Who is told what of callrouter itself, how often, and what is never told."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from router.errors import StoreError
from router.store import Filter, State
from router.store.sqlite.reading import SqliteReading
from router.worker.alerting import EXPIRE, terms
from router.worker.loop import Turn
from tests.worker.watchman import CONFIG, HOUR, NOON, Watchman


@pytest.fixture
def watchman(tmp_path: Path) -> Iterator[Watchman]:
    made = Watchman(tmp_path)
    yield made
    made.close()


def see(words: str, watchman: Watchman) -> str:
    return f"callrouter {words} --config {watchman.config.path}"


def test_the_first_dead_letter_is_told_at_once_with_the_reason_and_the_command(watchman: Watchman) -> None:
    [told] = watchman.dead(reason="crm.example answered 422")

    assert told == "1 dead letter at crm: crm.example answered 422. See: " + see(
        "deliveries --state dead --destination crm", watchman
    )


def test_what_goes_on_is_told_once_in_a_window_with_how_often(watchman: Watchman) -> None:
    watchman.dead()
    for _ in range(17):
        watchman.later(60)
        assert watchman.dead() == []
        assert watchman.turn(tick=True) == []

    watchman.later(HOUR)
    [told] = watchman.turn(tick=True)

    assert told.startswith("17 more dead letters at crm since 12:00: it said no.")
    watchman.later(HOUR / 2)
    assert watchman.turn(tick=True) == []


def test_several_at_once_are_one_alert(watchman: Watchman) -> None:
    [told] = watchman.dead(count=3)

    assert told.startswith("3 dead letters at crm: it said no.")


def test_after_a_quiet_window_it_begins_anew(watchman: Watchman) -> None:
    watchman.dead()
    watchman.later(HOUR + 1)
    assert watchman.turn(tick=True) == []

    [told] = watchman.dead()

    assert told.startswith("1 dead letter at crm: ")


def test_each_destination_and_each_source_is_a_thing_of_its_own(watchman: Watchman) -> None:
    watchman.dead("crm")

    [dead] = watchman.dead("archive")
    [refused] = watchman.refused(count=2)

    assert dead.startswith("1 dead letter at archive")
    assert refused == "2 events of wavix were refused: event_time is missing. See: " + see(
        "events --rejected --source wavix", watchman
    )


def test_a_restart_repeats_nothing_and_loses_no_count(watchman: Watchman) -> None:
    watchman.dead()
    watchman.later(60)
    watchman.dead(count=4)
    watchman.pause()
    watchman.restart()

    watchman.later(60)
    assert watchman.dead() == []
    assert watchman.turn(tick=True) == []

    watchman.later(HOUR)
    told = watchman.turn(tick=True)
    assert [text.partition(" since 12:0")[0] for text in told] == ["crm is still paused", "5 more dead letters at crm"]


def test_a_turn_that_was_undone_has_told_nothing_and_is_told_later(watchman: Watchman) -> None:
    turn = watchman.ended("crm", State.DEAD, reason="it said no")
    with contextlib.suppress(StoreError), watchman.store.transaction():
        watchman.alerting.follow(turn, watchman.now, 0.0, watchman.watch)
        raise StoreError("the disk is full")
    watchman.alerting.forget()

    assert (watchman.alerts(), watchman.alerting.told()) == ([], [])
    assert len(watchman.turn(turn)) == 1


def test_a_pause_is_told_and_its_end_is_too(watchman: Watchman) -> None:
    [paused] = watchman.pause(reason="crm.example answered 401")
    watchman.later(120)
    watchman.store.resume("crm", watchman.now)
    [over] = watchman.turn(tick=True)

    assert paused.startswith("crm is paused, nothing is lost: crm.example answered 401. Mend it, then: ")
    assert see("resume crm", watchman) in paused
    assert over == "crm is no longer paused, after 2m."
    assert watchman.turn(tick=True) == []


def test_a_destination_that_is_paused_again_and_again_is_told_once_in_a_window(watchman: Watchman) -> None:
    watchman.pause()
    for _ in range(20):
        watchman.later(60)
        watchman.store.resume("crm", watchman.now)
        watchman.turn(tick=True)
        watchman.later(60)
        watchman.pause()

    assert watchman.counts() == {"paused": 2}


def test_no_alert_about_a_destination_is_sent_to_it(watchman: Watchman) -> None:
    watchman.dead("ops")
    watchman.pause("pager")

    assert [told for _, told in watchman.alerts()] == [["pager"], ["ops"]]


def test_a_text_that_could_not_be_filled_in_is_told_there_as_well(watchman: Watchman) -> None:
    watchman.turn(watchman.ended("ops", State.DELIVERED, reason="sent in plain words: no", unfilled=True))

    [(text, told)] = watchman.alerts()
    assert text.startswith("1 delivery to ops was sent in plain words: ")
    assert told == ["ops", "pager"]


def test_nothing_is_told_of_the_deliveries_of_alerts(watchman: Watchman) -> None:
    watchman.dead("pager", event_type="alert")

    assert watchman.alerts() == []


def test_nothing_is_told_of_alerts_that_wait(watchman: Watchman) -> None:
    watchman.dead()
    watchman.later(2 * HOUR)

    assert watchman.look() == []
    watchman.store._db.execute("UPDATE delivery SET attempts = 7")
    assert watchman.look() == []


def test_an_alert_whose_only_reader_it_is_about_is_kept_and_sent_to_nobody(tmp_path: Path) -> None:
    watchman = Watchman(tmp_path, CONFIG.replace("[ops, pager]", "ops"))
    with closing(watchman.store):
        watchman.dead("ops")

        assert [told for _, told in watchman.alerts()] == [[]]


def test_with_alerts_none_nothing_is_made(tmp_path: Path) -> None:
    watchman = Watchman(tmp_path, CONFIG.partition("alerts:")[0] + "alerts: none\n")
    with closing(watchman.store):
        watchman.dead()
        watchman.pause()

        assert (watchman.alerts(), watchman.store.concerns()) == ([], [])


def test_what_waits_too_long_is_told_until_it_was_sent(watchman: Watchman) -> None:
    watchman.owe("crm")
    watchman.later(14 * 60)
    assert watchman.look() == []
    watchman.later(60)

    [behind] = watchman.look()
    assert watchman.look() == []
    [claim] = watchman.store.claim("crm", now=watchman.now, owner="w", lease_until=watchman.now + 60, limit=9)
    [(_, attempt)] = watchman.ended("crm", State.DELIVERED).attempts
    attempt.delivery_id, attempt.attempt = claim.delivery_id, claim.attempt
    watchman.store.record(attempt)
    [over] = watchman.look()

    assert behind.startswith("deliveries to crm wait since 12:00: none was tried yet. See: ")
    assert over.startswith("no delivery to crm waits longer than 15m any more, after ")


def test_what_is_not_due_yet_and_was_never_tried_is_no_backlog(watchman: Watchman) -> None:
    watchman.owe("crm")
    watchman.store._db.execute("UPDATE delivery SET due_at = due_at + 86400")
    watchman.later(HOUR)

    assert watchman.look() == []


def test_a_paused_destination_is_not_told_of_as_a_backlog_as_well(watchman: Watchman) -> None:
    watchman.owe("crm")
    watchman.pause("crm")
    watchman.later(HOUR / 2)
    watchman.look()

    assert watchman.counts() == {"paused": 1}


def test_events_that_are_routed_late_are_told(watchman: Watchman) -> None:
    [late] = watchman.look(lag=1000.0)
    [over] = watchman.look(lag=1.0)

    assert late.startswith("accepted events wait to be routed since 11:43. See: ")
    assert over.startswith("accepted events are routed in time again, after ")


def test_a_disk_that_fills_up_is_told_until_there_is_room(tmp_path: Path) -> None:
    watchman = Watchman(tmp_path, CONFIG.replace("0.001%", "99.999%"))
    with closing(watchman.store):
        [full] = watchman.look()
        assert watchman.look() == []

        assert full.startswith(f"the disk under {watchman.data} is nearly full since 12:00: ")
        assert "is free, less than 100%" in full
    watchman.restart(CONFIG)
    with closing(watchman.store):
        [over] = watchman.look()
        assert over.startswith(f"there is room again on the disk under {watchman.data}")


def test_a_clock_that_jumped_is_told_once_and_what_waited_meanwhile_proves_nothing(watchman: Watchman) -> None:
    watchman.owe("crm")
    watchman.now += 2 * HOUR
    [jumped] = watchman.turn(tick=True)
    assert watchman.look() == []
    watchman.now -= 2 * HOUR
    [right] = watchman.turn(tick=True)

    assert jumped.startswith("the clock is not to be believed since 14:00, nothing expires: it jumped forward by 2h.")
    assert right.startswith("the clock is believed again")


def test_a_clock_that_was_set_back_keeps_no_alert_back(watchman: Watchman) -> None:
    watchman.dead()
    watchman.now -= 240 * HOUR

    [told] = watchman.dead()

    assert told.startswith("1 dead letter at crm: ")


def test_an_alert_is_an_event_like_any_other_and_no_call(watchman: Watchman) -> None:
    watchman.dead("crm")
    [row] = watchman.events()

    payload = json.loads(row.body)["event_payload"]
    assert (row.source, row.event_type, row.event_time) == ("callrouter", "alert", NOON)
    assert (payload["what"], payload["destination"], payload["count"], payload["over"]) == (
        "dead_letter",
        "crm",
        1,
        False,
    )
    assert payload["todo"] == see("deliveries --state dead --destination crm", watchman)
    assert {(one.destination, one.state, one.rule) for one in watchman.deliveries()} == {
        ("ops", State.READY, None),
        ("pager", State.READY, None),
    }
    with closing(SqliteReading.open(watchman.data)) as reading:
        assert reading.calls(Filter(), 10) == []
        assert (reading.last_events(), reading.history(0, 9e9, None, 10)) == ({}, [])
    assert watchman.store.calls_to_end(9e9, 9e9, 10) == []


def test_what_is_told_of_one_thing_is_told_in_order(watchman: Watchman) -> None:
    watchman.pause()
    watchman.later(60)
    watchman.store.resume("crm", watchman.now)
    watchman.turn(tick=True)

    assert len({row.call_id for row in watchman.events()}) == 1
    assert sorted(one.state for one in watchman.deliveries() if one.destination == "pager") == [
        State.READY,
        State.WAITING,
    ]


def test_an_alert_is_too_old_sooner_than_other_news(watchman: Watchman) -> None:
    pager = watchman.config.destinations["pager"]

    assert terms(pager, "ringing") is pager
    assert terms(pager, "alert").expire == EXPIRE


def test_a_reload_changes_who_is_told(watchman: Watchman) -> None:
    watchman.dead()
    watchman.restart(CONFIG.replace("[ops, pager]", "pager"))
    watchman.pause()

    assert [told for _, told in watchman.alerts()] == [["ops", "pager"], ["pager"]]


def test_a_turn_in_which_nothing_happened_asks_the_store_nothing(watchman: Watchman) -> None:
    asked: list[str] = []
    watchman.store._db.set_trace_callback(asked.append)

    watchman.turn(watchman.ended("crm", State.DELIVERED, count=100))
    watchman.turn(Turn())

    assert [text for text in asked if text not in ("BEGIN IMMEDIATE", "COMMIT")] == []
