"""A daemon's processes live and end together. Each test runs a real supervisor in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.supervisor import FIRST_WAIT, LIVED_WELL, LONGEST_WAIT, Lifeline, Supervisor
from tests.harness.waiting import until

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from router.supervisor import Supervisor

folder = Path(sys.argv[1])

class Part:
    stops = 0
    def __init__(self, name, behave):
        self.name, self.behave = name, behave
    def ready(self): return True
    def before_fork(self): pass
    def in_parent(self): pass
    def ended(self): pass
    def in_child(self, lifeline):
        lifeline.watch(lambda: os._exit(0))
        with (folder / self.name).open("a") as file:
            file.write(f"{os.getpid()}\\n")
        return self.behave(self)

def wait_for_term(part):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    signal.sigwait([signal.SIGTERM])
    with (folder / "order").open("a") as file:
        file.write(part.name + "\\n")
    return 0

def stubborn(part):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: time.sleep(60)

def crash(part):
    os._exit(7)

parts = []
for word in sys.argv[2:]:
    name, behaviour = word.split("=")
    part = Part(name, globals()[behaviour])
    part.stops = len(parts)
    parts.append(part)
def note_reload():
    with (folder / "reloads").open("a") as file:
        file.write("1\\n")
    while (folder / "hold").exists():
        time.sleep(0.01)

sys.exit(Supervisor(
    parts, lambda children: None, lambda text: print(text, flush=True), lambda: None, grace=1.0, reload=note_reload
).run())
"""


def pids(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def begin(*parts: str) -> subprocess.Popen[str]:
        program = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path), *parts]
        environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        running.append(subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environ))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def test_a_crashed_process_comes_back(start: Start, tmp_path: Path) -> None:
    supervisor = start("worker=wait_for_term")
    until(lambda: len(pids(tmp_path / "worker")) == 1)

    os.kill(pids(tmp_path / "worker")[0], signal.SIGKILL)

    until(lambda: len(pids(tmp_path / "worker")) == 2)
    supervisor.kill()
    why = "killed by SIGKILL: by somebody, or by the system because memory ran out"
    assert f"worker ended unexpectedly ({why}); starting it again" in supervisor.stdout.read()


def test_a_process_that_keeps_crashing_is_started_ever_more_rarely(start: Start, tmp_path: Path) -> None:
    supervisor = start("worker=crash")
    began = time.monotonic()

    until(lambda: len(pids(tmp_path / "worker")) == 4)

    # 0.2 + 0.4 + 0.8 seconds of waiting lie between the first start and the fourth.
    assert time.monotonic() - began >= 1.3
    assert supervisor.poll() is None


def test_none_outlives_a_supervisor_that_was_killed(start: Start, tmp_path: Path) -> None:
    supervisor = start("ingest=wait_for_term", "worker=stubborn")
    until(lambda: pids(tmp_path / "ingest") and pids(tmp_path / "worker"))

    supervisor.kill()

    until(lambda: not any(alive(pid) for name in ("ingest", "worker") for pid in pids(tmp_path / name)))


def test_term_ends_the_parts_in_order_and_exits_with_0(start: Start, tmp_path: Path) -> None:
    supervisor = start("ingest=wait_for_term", "worker=wait_for_term", "admin=wait_for_term")
    until(lambda: all(pids(tmp_path / name) for name in ("ingest", "worker", "admin")))

    supervisor.terminate()

    assert supervisor.wait(10) == 0
    assert (tmp_path / "order").read_text().split() == ["ingest", "worker", "admin"]


def test_a_process_that_will_not_end_is_killed_when_the_grace_is_over(start: Start, tmp_path: Path) -> None:
    supervisor = start("worker=stubborn")
    until(lambda: pids(tmp_path / "worker"))

    supervisor.terminate()

    assert supervisor.wait(10) == 0
    assert not alive(pids(tmp_path / "worker")[0])
    assert supervisor.stdout is not None
    assert "worker did not end in time and is killed" in supervisor.stdout.read()


def test_signals_that_come_during_a_reload_make_one_more(start: Start, tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    supervisor = start("worker=wait_for_term")
    until(lambda: pids(tmp_path / "worker"))
    supervisor.send_signal(signal.SIGHUP)
    until(lambda: len(pids(tmp_path / "reloads")) == 1)

    for _ in range(5):
        supervisor.send_signal(signal.SIGHUP)
    (tmp_path / "hold").unlink()

    until(lambda: len(pids(tmp_path / "reloads")) == 2)
    supervisor.terminate()
    assert supervisor.wait(10) == 0
    assert len(pids(tmp_path / "reloads")) == 2


def test_a_terminal_that_hangs_up_on_all_hurts_no_process(start: Start, tmp_path: Path) -> None:
    supervisor = start("worker=wait_for_term")
    until(lambda: pids(tmp_path / "worker"))

    os.kill(pids(tmp_path / "worker")[0], signal.SIGHUP)
    supervisor.send_signal(signal.SIGHUP)

    until(lambda: pids(tmp_path / "reloads"))
    assert alive(pids(tmp_path / "worker")[0])
    assert len(pids(tmp_path / "worker")) == 1


def test_a_process_that_crashes_during_a_reload_comes_back_after_it(start: Start, tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    supervisor = start("worker=wait_for_term")
    until(lambda: pids(tmp_path / "worker"))
    supervisor.send_signal(signal.SIGHUP)
    until(lambda: pids(tmp_path / "reloads"))

    os.kill(pids(tmp_path / "worker")[0], signal.SIGKILL)
    (tmp_path / "hold").unlink()

    until(lambda: len(pids(tmp_path / "worker")) == 2)


class Idle:
    """A part that is never forked here."""

    name, stops = "worker", 0

    def __init__(self) -> None:
        self.ends = 0

    def ready(self) -> bool:
        return True

    def before_fork(self) -> None:
        raise OSError(24, "Too many open files")

    def in_parent(self) -> None: ...

    def in_child(self, lifeline: Lifeline) -> int:
        raise AssertionError("before_fork failed, so nothing is forked")

    def ended(self) -> None:
        self.ends += 1


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor([Idle()], lambda _: None, lambda _: None, lambda: None)
    yield made
    for end in (made._signals, made._wake):
        end.close()
    for descriptor in (made._lifeline, made._held):
        os.close(descriptor)


def test_the_waits_double_up_to_the_longest_and_go_on_for_ever(supervisor: Supervisor) -> None:
    [child] = supervisor.children
    waits = []
    for _ in range(1000):
        child.began = time.monotonic()
        supervisor._note_end(child, 1)
        waits.append(child.wait)

    assert waits[:4] == pytest.approx([0.2, 0.4, 0.8, 1.6])
    assert set(waits[10:]) == {LONGEST_WAIT}
    assert child.restarts == 1000


def test_one_that_lived_well_starts_with_the_first_wait_again(supervisor: Supervisor) -> None:
    [child] = supervisor.children
    for _ in range(20):
        supervisor._note_end(child, 1)
    child.began = time.monotonic() - LIVED_WELL

    supervisor._note_end(child, 1)

    assert child.wait == FIRST_WAIT


def test_one_that_cannot_be_started_is_tried_again_with_the_same_waits(supervisor: Supervisor) -> None:
    [child] = supervisor.children
    waits = []
    for _ in range(12):
        supervisor._start(child)
        waits.append(child.wait)

    assert child.pid is None
    assert waits[:3] == pytest.approx([0.2, 0.4, 0.8])
    assert waits[-1] == LONGEST_WAIT
    assert child.part.ends == 12


class Pausing(Idle):
    """A part that does nothing until it is told to end."""

    def in_child(self, lifeline: Lifeline) -> int:
        while True:
            signal.pause()


def test_one_that_is_told_to_end_as_it_is_forked_ends(supervisor: Supervisor) -> None:
    before, forked = signal.signal(signal.SIGTERM, supervisor._ask_to_stop), []
    try:
        for _ in range(20):
            forked.append(supervisor._fork(Pausing()))
            os.kill(forked[-1], signal.SIGTERM)
        until(lambda: not any(alive(pid) for pid in forked), what="all have ended")
    finally:
        signal.signal(signal.SIGTERM, before)
        for pid in forked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
