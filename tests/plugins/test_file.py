"""Lines of JSON on disk."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from plugins.file import File
from router.errors import DestinationUnusable, TemporaryFailure
from router.testing import RecordingHttp, make_delivery


def file_at(path: Path) -> File:
    return File(File.Settings.model_validate({"path": str(path)}), RecordingHttp())


def test_each_delivery_is_one_line_with_the_senders_own_json(tmp_path):
    path = tmp_path / "deep" / "down" / "archive.jsonl"
    plugin = file_at(path)

    plugin.deliver(make_delivery(body=b'{ "uuid": "c1", "n": 1.0, "\xc3\xa9": "\\n" }'))
    plugin.deliver(make_delivery("ringing"))

    first, second = path.read_bytes().splitlines()
    assert b'"event": { "uuid": "c1", "n": 1.0, "\xc3\xa9": "\\n" }}' in first
    line = json.loads(first)
    assert (line["received_at"], line["source"], line["rule"]) == ("2026-03-02T14:05:19.000Z", "test", "missed-calls")
    assert line["facts"]["missed"] is True
    assert json.loads(second)["event"]["event_type"] == "ringing"


def test_json_over_several_lines_becomes_one(tmp_path):
    file_at(tmp_path / "a").deliver(make_delivery(body=b'{\r\n  "uuid":\n "c1"\n}\n'))

    [line] = (tmp_path / "a").read_text().splitlines()
    assert json.loads(line)["event"] == {"uuid": "c1"}


def test_a_line_that_a_crash_cut_short_spoils_no_other(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b'{"received_at": "20')

    file_at(path).deliver(make_delivery())

    broken, whole = path.read_text().splitlines()
    assert broken == '{"received_at": "20'
    assert json.loads(whole)["source"] == "test"


def test_several_senders_write_whole_lines(tmp_path):
    path = tmp_path / "a"

    def write(tag: str) -> None:
        plugin = file_at(path)
        for _ in range(25):
            plugin.deliver(make_delivery(event={"tag": tag * 5000}))

    writers = [threading.Thread(target=write, args=(tag,)) for tag in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    tags = sorted(json.loads(line)["event"]["tag"][0] for line in path.read_text().splitlines())
    assert tags == sorted("abcd" * 25)


def test_a_file_that_was_renamed_is_begun_anew(tmp_path):
    path = tmp_path / "a"
    plugin = file_at(path)
    plugin.deliver(make_delivery())
    path.rename(tmp_path / "a.1")

    plugin.deliver(make_delivery())

    assert len(path.read_text().splitlines()) == 1


def test_what_callers_said_is_not_for_everybody_on_the_machine(tmp_path):
    file_at(tmp_path / "a").deliver(make_delivery())

    assert not stat.S_IMODE((tmp_path / "a").stat().st_mode) & stat.S_IRWXO


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")  # noqa: PTH110 - pathlib says the same
def test_a_full_disk_is_tried_again():
    with pytest.raises(TemporaryFailure, match="/dev/full cannot be written: No space left on device"):
        file_at(Path("/dev/full")).deliver(make_delivery())


def test_a_line_for_which_there_is_half_the_room_is_not_written_at_all(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "a"
    file_at(path).deliver(make_delivery())
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
    try:
        with pytest.raises(TemporaryFailure, match="No space left"):
            file_at(path).deliver(make_delivery())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert path.read_bytes() == before


def test_a_path_only_the_operator_can_mend_pauses_the_destination(tmp_path):
    (tmp_path / "file").touch()

    for path in (tmp_path, tmp_path / "file" / "archive.jsonl"):
        with pytest.raises(DestinationUnusable, match="cannot be written"):
            file_at(path).deliver(make_delivery())
