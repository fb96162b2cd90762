"""What the worker sees of the inbox, whoever wrote it."""

from __future__ import annotations

import sqlite3

import pytest

from router.errors import StoreError
from router.inbox.segment import FORMAT


def bodies(entries):
    return [entry.body.decode() for entry in entries]


def cursors(entries):
    return {entry.segment: entry.id for entry in entries}


@pytest.fixture
def two_segments(open_writer, append):
    """One segment closed with 1, 3, 5 in it and one still open with 2, 4, 6."""
    first = open_writer()
    for number in (1, 3, 5):
        append(first, str(number), start=number)
    first.close()
    second = open_writer()
    for number in (2, 4, 6):
        append(second, str(number), start=number)
    return second


def test_segments_are_merged_by_the_time_of_receipt(two_segments, reader):
    assert bodies(reader.read({}, 10)) == list("123456")


def test_reading_goes_on_behind_the_cursors(two_segments, reader):
    position = cursors(reader.read({}, 3))

    assert bodies(reader.read(position, 2)) == ["4", "5"]


def test_within_a_segment_the_order_is_that_of_the_ids_whatever_the_clock_did(writer, reader, append):
    append(writer, "1", start=100.0)
    append(writer, "2", start=50.0)

    assert bodies(reader.read({}, 10)) == ["1", "2"]


def test_an_entry_that_comes_later_is_seen_by_the_same_reader(writer, reader, append):
    append(writer, "1")
    position = cursors(reader.read({}, 10))
    append(writer, "2")

    assert bodies(reader.read(position, 10)) == ["2"]


def test_an_inbox_that_does_not_exist_yet_is_empty(reader):
    assert reader.read({}, 10) == []
    assert reader.finished({}) == []


def test_a_segment_is_finished_when_its_writer_is_gone_and_all_of_it_is_routed(two_segments, reader):
    closed, live = sorted({entry.segment for entry in reader.read({}, 10)})
    position = cursors(reader.read({}, 10))

    assert reader.finished({}) == []
    assert reader.finished({closed: 2}) == []
    assert reader.finished(position) == [closed]
    two_segments.close()
    assert reader.finished(position) == [closed, live]


def test_a_finished_segment_leaves_nothing_behind(writer, reader, folder, append):
    append(writer, "1")
    position = cursors(reader.read({}, 10))
    writer.close()
    for segment in reader.finished(position):
        reader.delete(segment)

    assert list(folder.iterdir()) == []
    assert reader.read({}, 10) == []


def test_deleting_twice_is_no_error(writer, reader, append):
    append(writer, "1")
    (segment,) = cursors(reader.read({}, 10))
    writer.close()

    reader.delete(segment)
    reader.delete(segment)


def test_a_segment_that_is_still_being_written_is_never_deleted(writer, reader, append):
    append(writer, "1")
    (segment,) = cursors(reader.read({}, 10))

    with pytest.raises(StoreError, match="still being written"):
        reader.delete(segment)
    assert bodies(reader.read({}, 10)) == ["1"]


def test_a_damaged_segment_is_named_and_the_others_are_read(two_segments, open_reader, folder):
    (folder / "20000101T000000000000-aaaaaaaa.sqlite").write_bytes(b"no database " * 1000)
    reader = open_reader()

    assert bodies(reader.read({}, 10)) == list("123456")
    (problem,) = reader.problems()
    assert "20000101T000000000000-aaaaaaaa.sqlite" in problem
    assert "20000101T000000000000-aaaaaaaa" not in reader.finished({})


def test_a_segment_of_a_newer_version_is_named_and_kept(writer, reader, folder, append):
    append(writer, "1")
    writer.close()
    (path,) = folder.glob("*.sqlite")
    with sqlite3.connect(path) as db:
        db.execute(f"pragma user_version = {FORMAT + 1}")
    db.close()

    assert reader.read({}, 10) == []
    assert "newer callrouter" in reader.problems()[0]
    assert reader.finished({path.stem: 99}) == []


def test_a_segment_whose_table_is_not_made_yet_is_empty(reader, folder):
    folder.mkdir()
    (folder / "20000101T000000000000-aaaaaaaa.sqlite").touch()

    assert reader.read({}, 10) == []
    assert reader.problems() == []


def test_what_a_crash_left_of_a_deleted_segment_is_swept_at_the_next_start(open_reader, folder):
    folder.mkdir()
    for end in (".lock", ".sqlite-wal", ".sqlite-shm"):
        (folder / f"20000101T000000000000-aaaaaaaa{end}").touch()

    open_reader()

    assert list(folder.iterdir()) == []


def test_the_sweep_spares_a_segment_that_is_just_being_made(writer, open_reader, reader, append):
    append(writer, "1")
    open_reader()

    assert bodies(reader.read({}, 10)) == ["1"]


def test_a_writer_goes_on_while_a_reader_looks(writer, reader, append):
    for number in range(50):
        append(writer, str(number), start=number)
        assert len(reader.read({}, 100)) == number + 1
