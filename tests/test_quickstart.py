"""The quickstart does what it says: its commands are run, and what it promises to show is waited for."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import manual
from tests.harness.recording import Recorder
from tests.harness.slack import slack
from tests.harness.waiting import until
from tests.manual import ROOT

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "quickstart.md"


class Terminal:
    """The first terminal: a daemon that believes somebody looks."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.text = ""
        mine, its = pty.openpty()
        command = [sys.executable, "-m", "router", "run"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.tethered", *command],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=its, stderr=its, start_new_session=True,
        )  # fmt: skip
        os.close(its)
        self._reader = threading.Thread(target=self._read, args=[mine])
        self._reader.start()

    def _read(self, descriptor: int) -> None:
        with open(descriptor, "rb", buffering=0, closefd=True) as screen:
            try:
                while piece := screen.read(4096):
                    self.text += piece.decode()
            except OSError:
                # The last process has closed its side of the terminal.
                return

    def stop(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(30) == 0, self.text
        self._reader.join(10)


class Newcomer:
    """Types what the page says."""

    def __init__(self, folder: Path, slack_url: str) -> None:
        self._folder = folder
        self._slack_url = slack_url
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
        self._environment.pop("SLACK_WEBHOOK_URL", None)
        self.first: Terminal | None = None

    def type(self, line: str) -> str:
        """Return what *line* shows in the terminal it is typed in."""
        if line == "make run":
            self.leave()
            self.first = Terminal(self._folder, self._environment)
            until(self._is_ready, 20, what="the daemon is ready")
            return self.first.text
        if line.startswith("export "):
            name, _, _ = line.removeprefix("export ").partition("=")
            self._environment[name] = self._slack_url
            return ""
        done = subprocess.run(
            line.replace(".venv/bin/callrouter", f"{sys.executable} -m router"),
            shell=True, cwd=self._folder, env=self._environment, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def _is_ready(self) -> bool:
        assert self.first is not None
        return "writing to" in self.first.text

    def leave(self) -> None:
        """Stop what runs."""
        if self.first:
            self.first.stop()
            self.first = None


@contextmanager
def newcomer(folder: Path, slack_url: str) -> Iterator[Newcomer]:
    shipped = (ROOT / "config.yaml").read_text(encoding="utf-8")
    (folder / "config.yaml").write_text(re.sub(r"127\.0\.0\.1:808\d", "127.0.0.1:0", shipped))
    shutil.copytree(ROOT / "tests" / "events", folder / "tests" / "events")
    somebody = Newcomer(folder, slack_url)
    try:
        yield somebody
    finally:
        somebody.leave()


def pattern(line: str) -> re.Pattern[str]:
    """What a promised line looks like: an ellipsis is anything, and the port is whichever was free."""
    said = re.escape(" ".join(line.split())).replace("…", ".*").replace("127\\.0\\.0\\.1:8080", r"127\.0\.0\.1:\d+")
    return re.compile(said)


def shown(text: str, promised: list[str]) -> bool:
    plain = [" ".join(line.split()) for line in text.splitlines()]
    return all(any(pattern(line).search(one) for one in plain) for line in promised)


def test_the_quickstart_works_as_written(tmp_path: Path) -> None:
    said, fresh = "", False
    with Recorder(slack) as room, newcomer(tmp_path, f"{room.url}services/T0/B0/X") as somebody:
        for token in manual.tokens(PAGE):
            if token.type != "fence":
                continue
            lines = token.content.splitlines()
            if token.info == "sh":
                said, fresh = "".join(map(somebody.type, lines)), lines[-1] != "make run"
            elif token.info == "text" and fresh:
                assert shown(said, lines), f"{lines} is not in\n{said}"
                fresh = False
            elif token.info == "text":
                first = somebody.first
                assert first is not None
                until(lambda first=first, lines=lines: shown(first.text, lines), 20, what=f"{lines}")

        assert len(room.accepted) == 2
