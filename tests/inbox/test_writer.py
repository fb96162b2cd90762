"""What an ingest process may rely on when ``append`` returns, and when it does not."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import time
from contextlib import contextmanager

import pytest

from router.errors import Fault, StoreError
from router.inbox.segment import FORMAT, take_lock


def segments(folder):
    return sorted(path.stem for path in folder.glob("*.sqlite"))


async def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


@contextmanager
def locked(folder):
    """Keep the only segment from being written, as a disk does that has stopped answering."""
    db = sqlite3.connect(folder / f"{segments(folder)[0]}.sqlite", isolation_level=None)
    db.execute("begin immediate")
    try:
        yield
    finally:
        db.execute("rollback")
        db.close()


@contextmanager
def full_disk(size):
    """No file of this process may grow beyond *size* bytes."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_what_was_appended_can_be_read_by_others_when_append_returns(writer, open_reader, entry):
    async def run():
        for number in range(3):
            await writer.append(entry(str(number)))
            assert [each.body for each in open_reader().read({}, 10)][-1] == str(number).encode()

    asyncio.run(run())


def test_an_entry_comes_back_as_it_was_given(writer, reader, entry):
    faults = (Fault("tag", "is missing"), Fault("", "is not JSON"))
    given = entry(b"\x00\xff{", 1234.5, source="büro", remote="2001:db8::1", faults=faults)
    asyncio.run(writer.append(given))

    (back,) = reader.read({}, 10)

    assert (back.source, back.body, back.received_at, back.remote) == ("büro", b"\x00\xff{", 1234.5, "2001:db8::1")
    assert back.faults == faults


def test_all_that_wait_together_are_kept_once_each(writer, reader, entry):
    async def run():
        await asyncio.gather(*(writer.append(entry(str(number))) for number in range(1000)))

    asyncio.run(run())

    assert sorted(int(each.body) for each in reader.read({}, 2000)) == list(range(1000))


def test_every_start_begins_a_new_segment_and_leaves_the_old_ones_alone(open_writer, folder, append):
    first = open_writer()
    append(first, "1")
    first.close()
    append(open_writer(), "2")

    assert len(segments(folder)) == 2


def test_a_writer_holds_the_lock_beside_its_segment_until_it_is_closed(writer, folder, append):
    append(writer, "1")
    (name,) = segments(folder)
    path = folder / f"{name}.lock"

    assert take_lock(path) is None
    writer.close()
    held = take_lock(path)
    assert held is not None
    os.close(held)


def test_a_segment_carries_the_version_of_its_format(writer, folder, append):
    append(writer, "1")
    db = sqlite3.connect(folder / f"{segments(folder)[0]}.sqlite")

    assert db.execute("pragma user_version").fetchone() == (FORMAT,)
    db.close()


def test_a_large_segment_is_followed_by_a_new_one(open_writer, reader, folder, append):
    writer = open_writer(segment_bytes=1)
    append(writer, "1", "2", "3")

    assert len(segments(folder)) > 1
    assert [each.body for each in reader.read({}, 10)] == [b"1", b"2", b"3"]


def test_an_old_segment_is_followed_by_a_new_one_only_if_it_has_entries(open_writer, folder, append, caplog):
    async def run():
        await until(lambda: len(segments(folder)) == 2)

    writer = open_writer(segment_seconds=0.05)
    append(writer, "1")
    asyncio.run(run())
    writer.close()

    assert len(segments(folder)) == 2
    assert caplog.messages == []


def test_each_commit_rings_for_the_worker(open_writer, folder, append):
    pipe = folder.parent / "wake"
    os.mkfifo(pipe)
    listening = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    append(open_writer(), "1")

    async def run():
        await until(lambda: _read(listening))

    asyncio.run(run())
    os.close(listening)


def _read(pipe):
    try:
        return os.read(pipe, 10)
    except BlockingIOError:
        return b""


def test_a_worker_that_came_back_is_rung_for_again(open_writer, folder, append):
    pipe = folder.parent / "wake"
    writer = open_writer()
    for _ in range(2):
        os.mkfifo(pipe)
        listening = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        append(writer, "1")
        assert _read(listening)
        os.close(listening)
        pipe.unlink()


@pytest.mark.parametrize("state", ["absent", "nobody reads", "full"])
def test_a_worker_that_does_not_listen_is_no_error(state, open_writer, folder, append, reader):
    pipe = folder.parent / "wake"
    if state != "absent":
        os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR | os.O_NONBLOCK) if state == "full" else None
    try:
        while held is not None:
            os.write(held, b"!" * 4096)
    except BlockingIOError:
        pass

    append(open_writer(), "1", "2")

    assert len(reader.read({}, 10)) == 2
    if held is not None:
        os.close(held)


def test_a_full_disk_refuses_and_later_entries_are_taken_again(writer, reader, folder, entry):
    async def run():
        await writer.append(entry("before"))
        with full_disk(200_000), pytest.raises(StoreError, match="cannot write to the inbox segment"):
            await writer.append(entry(b"x" * 400_000))
        assert "cannot write" in writer.problem()
        await writer.append(entry("after"))
        assert writer.problem() is None

    asyncio.run(run())

    assert [each.body for each in reader.read({}, 10)] == [b"before", b"after"]


def test_a_commit_of_many_that_fails_keeps_none_of_them(writer, reader, folder, entry):
    async def run():
        await writer.append(entry("before"))
        with full_disk(300_000):
            many = [writer.append(entry(b"x" * 4000)) for _ in range(200)]
            assert {type(answer) for answer in await asyncio.gather(*many, return_exceptions=True)} == {StoreError}
        await asyncio.gather(*(writer.append(entry("after")) for _ in range(200)))

    asyncio.run(run())

    assert [each.body for each in reader.read({}, 500)] == [b"before"] + [b"after"] * 200


def test_what_cannot_be_written_leaves_nothing_half_written(writer, reader, entry):
    async def run():
        many = [writer.append(entry(str(number))) for number in range(99)]
        answers = await asyncio.gather(*many, writer.append(entry(remote=[])), return_exceptions=True)
        assert {type(answer) for answer in answers} == {StoreError}
        await writer.append(entry("after"))

    asyncio.run(run())

    assert [each.body for each in reader.read({}, 500)] == [b"after"]


def test_a_disk_that_does_not_answer_fails_all_who_wait_and_then_all_who_come(open_writer, folder, entry):
    async def run():
        writer = open_writer(patience=0.5)
        await until(lambda: segments(folder) and writer.problem() is None)
        await writer.append(entry("before"))
        with locked(folder):
            waiting = [asyncio.ensure_future(writer.append(entry(str(number)))) for number in range(3)]
            answers = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
            assert {type(answer) for answer in answers} == {StoreError}
            with pytest.raises(StoreError, match="has not taken anything"):
                await writer.append(entry("at once"))
        await until(lambda: writer.problem() is None)
        await writer.append(entry("after"))

    asyncio.run(run())


def test_what_was_given_up_waiting_for_is_still_kept(open_writer, reader, folder, entry):
    async def run():
        writer = open_writer(patience=0.5)
        await writer.append(entry("before"))
        with locked(folder), pytest.raises(StoreError):
            await writer.append(entry("missed call"))
        await until(lambda: writer.problem() is None)

    asyncio.run(run())

    assert [each.body for each in reader.read({}, 10)] == [b"before", b"missed call"]


@pytest.mark.parametrize("limit", [{"most_entries": 3}, {"most_bytes": 300}])
def test_more_than_the_disk_takes_is_refused_at_once(limit, open_writer, folder, entry):
    async def run():
        writer = open_writer(patience=0.5, **limit)
        await writer.append(entry("before"))
        with locked(folder):
            waiting = [asyncio.ensure_future(writer.append(entry(b"x" * 100))) for _ in range(4)]
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert done == {waiting[3]}
            with pytest.raises(StoreError, match="more come than the disk"):
                waiting[3].result()
            await asyncio.gather(*waiting, return_exceptions=True)
        await until(lambda: writer.problem() is None)
        await writer.append(entry(b"x" * 100))

    asyncio.run(run())


def test_a_writer_that_fails_leaves_nobody_waiting_and_begins_anew(writer, reader, folder, entry, caplog):
    async def run():
        await writer.append(entry("before"))
        # Faults that are none: the kind of bug nobody has thought of.
        waiting = [writer.append(entry("1", faults=7)), writer.append(entry("2"))]
        answers = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
        assert StoreError in {type(answer) for answer in answers}
        await until(lambda: writer.problem() is None)
        await writer.append(entry("after"))

    asyncio.run(run())

    assert len(segments(folder)) == 2
    assert {b"before", b"after"} <= {each.body for each in reader.read({}, 10)}


def test_a_folder_that_cannot_be_made_refuses_and_is_tried_again(open_writer, reader, folder, entry):
    folder.write_text("a file where the inbox should be")

    async def run():
        writer = open_writer()
        await until(lambda: writer.problem() is not None)
        with pytest.raises(StoreError, match="cannot make an inbox segment"):
            await writer.append(entry("1"))
        folder.unlink()
        await until(lambda: writer.problem() is None)
        await writer.append(entry("2"))

    asyncio.run(run())

    assert [each.body for each in reader.read({}, 10)] == [b"2"]


def test_nothing_is_acknowledged_into_a_segment_that_somebody_removed(writer, reader, folder, entry):
    async def run():
        await writer.append(entry("1"))
        for path in folder.iterdir():
            path.unlink()
        with pytest.raises(StoreError, match="was removed"):
            await writer.append(entry("2"))
        await until(lambda: segments(folder) and writer.problem() is None)
        await writer.append(entry("3"))

    asyncio.run(run())

    assert [each.body for each in reader.read({}, 10)] == [b"3"]


def test_closing_writes_what_still_waits(writer, reader, entry):
    async def run():
        waiting = [asyncio.ensure_future(writer.append(entry(str(number)))) for number in range(100)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.to_thread(writer.close)
        await asyncio.gather(*waiting)

    asyncio.run(run())

    assert len(reader.read({}, 200)) == 100


def test_a_closed_writer_refuses(writer, entry):
    writer.close()

    with pytest.raises(StoreError, match="closed"):
        asyncio.run(writer.append(entry()))
