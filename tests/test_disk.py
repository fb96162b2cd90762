"""What the data takes of its disk, and the ballast."""

from __future__ import annotations

import pytest

from router.disk import Ballast, sizes
from tests.harness.small_disk import fill, small_disk


def test_ballast_takes_room_for_real_and_gives_it_back(tmp_path):
    ballast = Ballast(tmp_path)

    ballast.make(1 << 20)
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= 1 << 20
    assert ballast.size == 1 << 20

    assert ballast.drop() == 1 << 20
    assert (ballast.size, ballast.drop()) == (0, 0)


def test_ballast_that_does_not_fit_takes_nothing(tmp_path):
    with small_disk(tmp_path / "disk", 8) as disk:
        fill(disk, leave=1 << 20)

        with pytest.raises(OSError, match="No space left"):
            Ballast(disk).make(4 << 20)

        assert list(disk.iterdir()) == [disk / "filler"]


def test_sizes_of_a_folder_that_is_not_there_are_those_of_its_disk(tmp_path):
    found = sizes(tmp_path / "not" / "there")

    assert (found.store, found.wal, found.inbox, found.ballast) == (0, 0, 0, 0)
    assert 0 < found.free <= found.total


def test_every_segment_of_the_inbox_counts(tmp_path):
    (tmp_path / "inbox").mkdir()
    for name in ("a.sqlite", "a.sqlite-wal", "b.sqlite"):
        (tmp_path / "inbox" / name).write_bytes(b"x" * 10)
    (tmp_path / "store.sqlite-wal").write_bytes(b"x" * 7)

    assert (sizes(tmp_path).inbox, sizes(tmp_path).wal) == (30, 7)
