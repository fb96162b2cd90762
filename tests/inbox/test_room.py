"""Events are refused before the disk is full, by a look that no request pays for."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from router.errors import StoreError
from router.inbox.room import Room
from tests.harness.small_disk import fill, small_disk
from tests.harness.waiting import until


@pytest.fixture
def watch(tmp_path):
    opened = []

    def watch(least, folder=tmp_path, look=1000.0):
        opened.append(Room(folder, least, look=look))
        return opened[-1]

    yield watch
    for room in opened:
        room.close()


def test_with_too_little_room_everything_is_refused_with_the_reason(watch, open_writer, entry, tmp_path):
    writer = open_writer(room=watch(lambda: 1 << 60))

    with pytest.raises(StoreError, match=f"free on the disk under {tmp_path}"):
        asyncio.run(writer.append(entry("late")))
    assert "refuse_below" in writer.problem()


def test_with_room_enough_nothing_is_refused(watch, open_writer, entry):
    writer = open_writer(room=watch(lambda: 1))

    asyncio.run(writer.append(entry("in time")))

    assert writer.problem() is None


def test_nought_never_refuses(watch, tmp_path):
    with small_disk(tmp_path / "disk", 4) as disk:
        fill(disk)
        assert watch(lambda: 0, disk).refusal is None


def test_a_changed_limit_counts_from_the_next_look(watch):
    least = [1]
    room = watch(lambda: least[0])
    assert room.refusal is None

    least[0] = 1 << 60
    room.check()
    assert room.refusal is not None


def test_it_looks_by_itself(watch):
    least = [1 << 60]
    room = watch(lambda: least[0], look=0.001)

    least[0] = 1

    until(lambda: room.refusal is None)


def test_after_a_refusal_more_room_is_needed_than_before(watch, tmp_path):
    with small_disk(tmp_path / "disk", 32) as disk:
        room = watch(lambda: 8 << 20, disk)
        filler = fill(disk, leave=7 << 20)
        room.check()
        assert room.refusal is not None

        filler.unlink()
        fill(disk, leave=(8 << 20) + (256 << 10))
        room.check()
        assert room.refusal is not None
        filler.unlink()
        room.check()
        assert room.refusal is None


def test_a_request_does_not_look_at_the_disk(watch, open_writer, entry, monkeypatch):
    writer = open_writer(room=watch(lambda: 1))
    monkeypatch.setattr(shutil, "disk_usage", None)

    asyncio.run(writer.append(entry("in time")))
