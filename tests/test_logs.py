"""One line per thing that happens."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.logs import Log, start
from router.secret import Secret


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_a_program_gets_one_json_object_per_line(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    log = Log("worker", descriptor=writing)

    log.add("event", "wavix ringing", call="abc", event=7)
    log.flush()

    line = json.loads(os.read(reading, 4096))
    assert line.pop("at") > 0
    assert line == {
        "level": "info",
        "process": "worker",
        "what": "event",
        "text": "wavix ringing",
        "call": "abc",
        "event": 7,
    }


def test_a_person_gets_text_with_the_time_and_what_happened() -> None:
    ours, terminal = pty.openpty()
    log = Log("worker", descriptor=terminal)

    log.say("delivered", "archive in 3ms", delivery=12)

    text = os.read(ours, 4096).decode()
    assert "delivered" in text
    assert "archive in 3ms" in text
    assert "12" not in text.split("delivered")[1]
    os.close(ours)
    os.close(terminal)


def test_lines_wait_for_the_flush_of_their_turn(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.set_blocking(reading, False)
    log = Log("worker", descriptor=writing)

    log.add("event", "one")
    with pytest.raises(BlockingIOError):
        os.read(reading, 1)

    log.flush()
    assert os.read(reading, 4096).count(b"\n") == 1


def test_a_reader_that_went_away_stops_nobody(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.close(reading)

    Log("worker", descriptor=writing).say("event", "one")


def test_a_reader_that_does_not_read_stops_nobody_and_what_is_missing_is_said(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    log = Log("worker", descriptor=writing)

    # More than a pipe holds: without a look before each write, this test would never end.
    for _ in range(100):
        log.say("event", "x" * 3000)
    told = b""
    os.set_blocking(reading, False)
    while True:
        try:
            told += os.read(reading, 65536)
        except BlockingIOError:
            break
    log.say("event", "again")

    *_, missing, again = [json.loads(line)["text"] for line in (told + os.read(reading, 65536)).splitlines()]
    assert "pieces of this log are missing" in missing
    assert again == "again"


def test_a_full_disk_and_a_closed_descriptor_stop_nobody(pipe: tuple[int, int]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    Log("worker", descriptor=full).say("event", "one")
    os.close(full)

    _, writing = pipe
    log = Log("worker", descriptor=writing)
    os.close(writing)
    log.say("event", "one")
    log.say("event", "two")


def test_a_secret_shows_as_secret_in_a_log_line(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    log = Log("worker", descriptor=writing)

    log.say("config", f"the token is {Secret('hunter2')}")

    assert b"hunter2" not in os.read(reading, 4096)


def test_every_line_of_ours_says_what_it_is_about_in_one_word() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (Path(__file__).parents[1] / "router").rglob("*.py")]
    names = {name for source in sources for name in re.findall(r"getLogger\((\S+?)\)\.?", source) if name}

    ours = {name for name in names if name.startswith('"') and name != '"callrouter"'}
    assert ours
    assert all(re.fullmatch(r'"callrouter\.[a-z]+"', name) for name in ours)
    assert "__name__" not in names


def test_warnings_of_libraries_come_in_the_same_form(capfd: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:]
    try:
        start("ingest")
        logging.getLogger("some.package").warning("disk %s is slow", "a")
    finally:
        logging.getLogger().handlers[:] = before

    line = json.loads(capfd.readouterr().err)
    assert (line["what"], line["level"], line["text"]) == ("some.package", "warning", "disk a is slow")
