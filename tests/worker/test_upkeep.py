"""The ballast: there from the first second, given up for a full disk, back when there is room. And leases."""

from __future__ import annotations

import shutil

import pytest

from router.config import load
from router.store import State
from router.worker.claiming import SHORTEST_LEASE, lease
from tests.harness.small_disk import fill, small_disk
from tests.harness.waiting import until
from tests.worker.bench import CONFIG, Bench

SMALL = "disk: {ballast: 4MiB, refuse_below: 2MiB}\n"


@pytest.fixture
def on_a_small_disk(tmp_path):
    with small_disk(tmp_path / "disk", 24) as disk:
        bench = Bench(disk, CONFIG + SMALL)
        yield bench
        bench.close()


def ballast(bench: Bench) -> int:
    path = bench.data / "ballast"
    return path.stat().st_size if path.exists() else 0


def test_ballast_is_there_after_the_first_second(bench):
    bench.turn()

    assert ballast(bench) == 16 << 20


def test_a_reload_changes_the_ballast(bench):
    bench.turn()
    for text, size in (("8MiB", 8), ("0", 0), ("16MiB", 16)):
        bench.move(CONFIG + f"disk: {{ballast: {text}}}\n")
        bench.worker._next_tick = 0.0
        bench.turn()
        assert ballast(bench) == size << 20


def test_where_there_is_no_room_for_ballast_none_is_made(on_a_small_disk):
    bench = on_a_small_disk
    # It would fit, and the disk would be nearly full by it.
    fill(bench.folder, leave=5 << 20)

    bench.turn()
    assert ballast(bench) == 0
    (bench.folder / "filler").unlink()
    until(lambda: (bench.turn(), ballast(bench))[1] == 4 << 20)


def test_on_a_full_disk_outcomes_are_recorded_in_the_room_of_the_ballast(on_a_small_disk):
    bench = on_a_small_disk
    for _ in range(2):
        bench.accept()
    bench.turn()
    [job] = bench.jobs()
    assert ballast(bench) == 4 << 20
    bench.store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    filler = fill(bench.folder)

    bench.answer(job)
    until(lambda: (bench.turn(), bench.delivery().state)[1] is State.DELIVERED, what="the outcome is recorded")

    assert ballast(bench) == 0
    assert bench.worker.metrics._ballast_dropped._value.get() >= 1
    filler.unlink()
    until(lambda: (bench.turn(), ballast(bench))[1] == 4 << 20, what="the ballast is back")
    assert shutil.disk_usage(bench.folder).free > 0


def test_a_lease_is_longer_than_any_attempt_may_take(tmp_path):
    for timeout, least in (("30s", SHORTEST_LEASE), ("10m", 1200.0), ("1h", 7200.0)):
        (tmp_path / "config.yaml").write_text(CONFIG.replace("expire: 1h", f"timeout: {timeout}"))
        assert lease(load(tmp_path / "config.yaml")) >= least


def test_a_reload_with_a_longer_time_limit_leases_for_longer(bench):
    bench.move(CONFIG.replace("expire: 1h", "timeout: 10m"))
    bench.everybody_moved()
    bench.accept()

    bench.turn()

    leased_at, until_ = bench.store._db.execute("SELECT leased_at, lease_until FROM delivery").fetchone()
    assert until_ - leased_at > 1200
