"""What goes to the senders, and what holds a destination back: its breaker, its hours, its slots and a reload."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.commands.file import CommandFile
from router.sender import RECALL, Job
from router.store import Owed, State
from tests.harness.waiting import until
from tests.worker.bench import Bench

CONFIG = """
sources: {wavix: {}}
destinations:
  crm: {type: console, order: none, OPTIONS}
always: [crm]
unmatched: drop
alerts: none
"""


@pytest.fixture
def bench_with(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(options: str = "concurrency: 4", more: str = "", **given: int) -> Bench:
        made.append(Bench(tmp_path, CONFIG.replace("OPTIONS", options) + more, **given))
        return made[-1]

    yield make
    for one in made:
        one.close()


def calls(count: int, first: int = 0) -> list[str]:
    return [f"call-{number}" for number in range(first, first + count)]


def to_do(bench: Bench) -> list[Job]:
    """Return the jobs that have come, without what was asked back."""
    return [job for job in bench.jobs() if job.attempt != RECALL] if bench.hears() else []


def asked_back(bench: Bench) -> list[str]:
    return [job.destination for job in bench.jobs() if job.attempt == RECALL] if bench.hears() else []


def later(bench: Bench, seconds: float) -> None:
    """Let time pass for breakers."""
    clock = bench.worker.claiming._monotonic
    bench.worker.claiming._monotonic = lambda: clock() + seconds


def failing(bench_with: Callable[..., Bench], more: str = "") -> tuple[Bench, list[Job]]:
    """Return a bench whose breaker has just opened, and the jobs that it had in hand and had not begun."""
    bench = bench_with(
        f"concurrency: 4, breaker: {{failures: 3, pause: 5s, max: 20s}}, retry: {{first: 1h, max: 1h}}{more}"
    )
    bench.accept(calls=calls(40))
    bench.turn()
    jobs = bench.jobs()
    assert len(jobs) == 20
    for job in jobs[:3]:
        bench.answer(job, "temporary", "crm answered 503", status=503)
    bench.turn()
    return bench, jobs[3:]


def test_when_the_breaker_opens_nothing_more_is_claimed_and_what_waits_is_taken_back(bench_with):
    bench, rest = failing(bench_with)

    assert asked_back(bench) == ["crm"]
    for job in rest:
        bench.answer(job, "released")
    bench.turn()
    bench.turn()

    assert not bench.hears()
    states = [one.state for one in bench.deliveries()]
    assert states == [State.READY] * 40
    assert sum(one.attempts for one in bench.deliveries()) == 3


def test_after_the_pause_one_delivery_tries_and_when_it_fails_the_next_pause_is_longer(bench_with):
    bench, rest = failing(bench_with)
    asked_back(bench)
    for job in rest:
        bench.answer(job, "released")
    bench.turn()

    later(bench, 5)
    bench.turn()
    [probe] = to_do(bench)
    bench.turn()
    assert not bench.hears()
    assert bench.worker.claiming.standings(time.time())["crm"]["state"] == "half-open"
    bench.answer(probe, "unknown", "no answer in time")
    bench.turn()
    later(bench, 6)
    bench.turn()
    assert not bench.hears()
    later(bench, 5)
    bench.turn()

    assert len(to_do(bench)) == 1


def test_the_first_good_answer_lets_all_others_follow_in_their_order(bench_with):
    bench, rest = failing(bench_with)
    asked_back(bench)
    for job in reversed(rest):
        bench.answer(job, "released")
    bench.turn()

    later(bench, 5)
    bench.turn()
    [probe] = to_do(bench)
    bench.answer(probe)
    bench.turn()

    assert probe.delivery_id == 4
    assert [job.delivery_id for job in to_do(bench)] == list(range(5, 25))


def test_a_refusal_shows_that_the_destination_is_well(bench_with):
    bench, rest = failing(bench_with)

    bench.answer(rest[0], "permanent", "crm answered 400", status=400)
    bench.turn()

    assert bench.worker.claiming.standings(time.time()) == {}


def test_a_sender_that_is_gone_says_nothing_of_the_destination(bench_with):
    bench = bench_with("concurrency: 4, breaker: {failures: 3}")
    bench.accept(calls=calls(10))
    bench.turn()
    assert len(bench.jobs()) == 10

    bench.sender.close()
    bench.turn()

    assert bench.worker.claiming.standings(time.time()) == {}


def test_what_waited_too_long_ends_once_a_try_has_failed(bench_with):
    bench = bench_with("concurrency: 4, breaker: {failures: 3, pause: 5s}, retry: {first: 1s, give_up_after: 1h}")
    bench.accept(time.time() - 7200, calls=calls(30))
    bench.turn()
    old = to_do(bench)
    bench.accept(calls=calls(1, first=100))
    for job in old[:3]:
        bench.answer(job, "temporary", "crm answered 503", status=503)
    for job in old[3:]:
        bench.answer(job, "released")
    bench.turn()
    asked_back(bench)
    later(bench, 5)
    bench.turn()
    [probe] = to_do(bench)
    # What waits is not ended before it is known whether the destination is back.
    assert sum(one.state is State.DEAD for one in bench.deliveries()) == 3
    bench.answer(probe, "temporary", "crm answered 503", status=503)
    bench.turn()
    bench.turn()

    newest, *others = bench.deliveries()
    assert (newest.state, newest.attempts) == (State.READY, 0)
    assert {one.state for one in others} == {State.DEAD}
    reason = others[0].reason or ""
    assert reason.startswith("gave up after 0 attempts over 2h")
    assert reason.endswith("with the breaker open: crm answered 503")


def test_a_reload_keeps_the_breaker_of_a_destination_that_has_not_changed(bench_with):
    bench, _ = failing(bench_with)
    text = (bench.folder / "config.yaml").read_text()

    bench.move(text + "# nothing\n")
    assert bench.worker.claiming.breakers["crm"].state == "open"
    bench.move(text.replace("pause: 5s", "pause: 6s"))
    assert bench.worker.claiming.breakers["crm"].state == "closed"


def test_without_a_breaker_it_goes_on_whatever_happens(bench_with):
    bench = bench_with("concurrency: 4, breaker: none")
    bench.accept(calls=calls(60))
    for _ in range(3):
        bench.turn()
        for job in to_do(bench):
            bench.answer(job, "temporary", "503", status=503)
    bench.turn()

    assert sum(one.attempts for one in bench.deliveries()) >= 60


def owe_tried(bench: Bench, count: int) -> None:
    """Owe *count* deliveries that were all attempted before and are due, without claiming any."""
    bench.worker._claim_from = float("inf")
    bench.accept(calls=calls(count))
    until(lambda: (bench.turn(), len(bench.deliveries(5000)) == count)[1])
    bench.store._db.execute("UPDATE delivery SET attempts = 1")
    bench.worker._claim_from = 0.0


def test_thousands_of_retries_do_not_keep_news_away(bench_with):
    bench = bench_with("concurrency: 4, breaker: none")
    owe_tried(bench, 3000)
    bench.turn()
    # They hang at the destination, and there is no room for another.
    assert [job.attempt for job in to_do(bench)] == [2] * 15
    bench.turn()
    assert not bench.hears()

    bench.accept(calls=calls(3, first=9000))
    bench.turn()

    assert [job.attempt for job in to_do(bench)] == [1, 1, 1]


def test_a_quarter_of_a_rate_is_for_news_however_many_retries_wait(bench_with):
    bench = bench_with("concurrency: 32, rate: 40/s, breaker: none")
    owe_tried(bench, 100)
    bench.accept(calls=calls(8, first=9000))

    taken: list[Job] = []
    until(lambda: (bench.turn(), taken.extend(to_do(bench)), len(taken) >= 16)[-1])

    assert sum(job.attempt == 1 for job in taken[:16]) == 4


def test_a_rate_that_news_does_not_use_is_for_retries(bench_with):
    bench = bench_with("concurrency: 32, rate: 40/s, breaker: none")
    owe_tried(bench, 100)

    taken: list[Job] = []
    until(lambda: (bench.turn(), taken.extend(to_do(bench)), len(taken) >= 16)[-1])

    assert {job.attempt for job in taken} == {2}


HOURS = """
hours:
  never: [{dates: 2020-01-01, from: "00:00", to: "24:00"}]
  always: [{days: mon-sun, from: "00:00", to: "24:00"}]
"""


def test_outside_its_hours_nothing_is_claimed_and_when_they_begin_everything_is(bench_with):
    bench = bench_with("concurrency: 4, open: never", HOURS)
    bench.accept(calls=calls(3))
    bench.turn()
    bench.turn()
    assert not bench.hears()
    assert {one.state for one in bench.deliveries()} == {State.READY}

    bench.move((bench.folder / "config.yaml").read_text().replace("open: never", "open: always"))
    bench.everybody_moved()
    bench.turn()

    assert len(bench.jobs()) == 3


def test_news_expires_while_its_destination_is_not_open(bench_with):
    bench = bench_with("concurrency: 4, expire: 1h, open: never", HOURS)
    bench.accept(time.time() - 7200)
    bench.turn()
    assert bench.delivery().state is State.READY

    bench.move((bench.folder / "config.yaml").read_text().replace("open: never", "open: always"))
    bench.everybody_moved()
    bench.turn()

    assert bench.delivery().state is State.EXPIRED
    assert bench.delivery().reason == "older than 1h (expire) before it could be sent"


def test_patience_begins_when_the_destination_could_first_be_told(bench_with):
    # 2026-11-21 is a Saturday.
    bench = bench_with("open: week", 'hours: {week: [{days: mon-fri, from: "09:00", to: "17:00"}]}')
    saturday, monday = 1795262400.0, 1795424400.0
    claiming = bench.worker.claiming

    assert claiming.patience("crm", Owed(saturday, saturday)) == Owed(saturday, monday)
    assert claiming.patience("crm", Owed(monday + 60, monday + 60)).tried_since == monday + 60


def test_what_a_pause_takes_back_is_neither_lost_nor_counted(bench_with):
    bench = bench_with("concurrency: 4")
    bench.accept(calls=calls(20))
    bench.turn()
    first, *rest = bench.jobs()
    bench.answer(first, "unusable", "crm answered 401", status=401)
    bench.turn()
    assert asked_back(bench) == ["crm"]
    for job in rest:
        bench.answer(job, "released")
    bench.turn()

    assert {(one.state, one.attempts) for one in bench.deliveries()} == {(State.READY, 0)}
    assert bench.worker.senders.in_hand("crm") == 0
    with bench.store.transaction():
        bench.store.resume("crm", time.time())
    bench.turn()
    assert [job.delivery_id for job in bench.jobs()] == list(range(1, 21))


@pytest.mark.parametrize("action", ["pause", "give-up"])
def test_what_an_operator_stops_is_taken_back_from_the_senders(bench_with, action):
    bench = bench_with("concurrency: 4")
    bench.accept(calls=calls(20))
    bench.turn()
    bench.jobs()
    CommandFile(bench.data).append(action, {"destination": "crm"}, who="ada", now=time.time())

    # Commands are looked for once a second.
    until(lambda: (bench.turn(), bench.hears())[1])

    assert asked_back(bench) == ["crm"]


def test_after_a_change_of_concurrency_nothing_begins_until_what_was_out_is_back(bench_with):
    bench = bench_with("concurrency: 4")
    bench.accept(calls=calls(2))
    bench.turn()
    one, other = bench.jobs()
    bench.move((bench.folder / "config.yaml").read_text().replace("concurrency: 4", "concurrency: 2"))
    bench.everybody_moved()
    bench.accept(calls=calls(1, first=50))
    bench.turn()
    bench.answer(one)
    bench.turn()
    assert not bench.hears()

    bench.answer(other)
    bench.turn()

    assert len(bench.jobs()) == 1


def test_a_probe_whose_claim_was_undone_does_not_keep_others_from_trying(bench_with):
    bench, rest = failing(bench_with)
    breaker = bench.worker.claiming.breakers["crm"]
    breaker.tries(rest[0].delivery_id)
    claims = [claim for claim in bench.worker.senders.claims() if claim.delivery_id == rest[0].delivery_id]

    bench.worker.claiming.undo(claims)

    assert breaker.state == "open"
