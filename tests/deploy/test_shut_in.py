"""A daemon lives with what deploy/ leaves it: a read-only root, a user without a name and without rights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.promised import USER
from tests.harness.daemon import LISTEN, ROUTER, Daemon
from tests.harness.waiting import until
from tests.manual import ROOT

CONFIG = LISTEN + (
    "sources: {wavix: {}}\ndestinations: {archive: {type: file, path: data/archive.jsonl}}\n"
    "always: [archive]\nunmatched: drop\nalerts: none\n"
)
pytestmark = pytest.mark.slow


def shut_in(folder: Path) -> tuple[str, ...]:
    return (
        sys.executable, "-m", "tests.deploy.shut_in", "--user", str(USER),
        "--writable", str(folder / "data"), "--writable", str(folder / "tmp"), "--",
    )  # fmt: skip


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter, with a data folder and a /tmp that are the user's."""
    if os.geteuid() != 0:
        pytest.skip("only root can take the rest of the file system away from a process")
    folder = Path(tempfile.mkdtemp(prefix="callrouter-"))
    folder.chmod(0o755)
    for name in ("data", "tmp"):
        (folder / name).mkdir()
        os.chown(folder / name, USER, USER)
    can = subprocess.run(
        [*shut_in(folder), sys.executable, "-c", ""],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        if can.returncode:
            pytest.skip(f"this system lets nobody shut a process in: {can.stderr.strip().splitlines()[-1]}")
        yield folder
    finally:
        shutil.rmtree(folder)


def test_what_is_shut_in_can_write_nowhere_else(place: Path) -> None:
    script = f"open({str(place / 'data' / 'a')!r}, 'w'); open({str(place / 'b')!r}, 'w')"
    done = subprocess.run(
        [*shut_in(place), sys.executable, "-c", script],
        cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (place / "data" / "a").stat().st_uid == USER
    assert "Read-only file system" in done.stderr


def test_a_daemon_tells_of_a_call_when_it_can_write_to_its_data_and_to_tmp_alone(place: Path) -> None:
    environment = {"TMPDIR": str(place / "tmp"), "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    program = (*shut_in(place), sys.executable, "-m", "tests.harness.tethered", *ROUTER)
    with Daemon(place, CONFIG, environment=environment, program=program) as daemon:
        done = daemon.run("send", "--sample", "missed")

        archive = daemon.data / "archive.jsonl"
        until(lambda: len(archive.read_text().splitlines()) == 3, what="the whole call is in the archive")
        assert done.code == 0, done.err
        assert daemon.run("status").code == 0
        assert daemon.run("pause", "archive", "--reason", "a test", "--wait").code == 0
        assert daemon.run("reload").code == 0
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in daemon.all_pids()} == {USER}
