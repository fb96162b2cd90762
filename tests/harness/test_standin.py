"""The daemon's handle, on a stand-in that has nothing but the outside of a daemon."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.harness import processes
from tests.harness.daemon import Daemon
from tests.harness.waiting import until

#: Two processes, an admin listener, and the end that its configuration names.
STANDIN = """
import http.server, json, os, pathlib, signal, sys, threading, time
end = pathlib.Path(sys.argv[3]).read_text().strip()
print("good morning", flush=True)
if end == "refuse":
    print("config.yaml:1:1: no", flush=True)
    sys.exit(2)
worker = os.fork()
if worker == 0:
    time.sleep(60)  # a worker that lives until it is ended
class Admin(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"# HELP x\\nx_total{a=\\"b c\\"} 3.0\\n" if self.path == "/metrics" else b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
admin = http.server.HTTPServer(("127.0.0.1", 0), Admin)
def stop(*_):
    if end == "forget":
        os._exit(0)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    os._exit(0 if end == "well" else 7)
signal.signal(signal.SIGTERM, stop)
address = "127.0.0.1:%d" % admin.server_address[1]
state = {"pid": os.getpid(), "listen": address, "admin": address,
         "processes": [{"name": "worker", "pid": worker, "state": "running"}]}
pathlib.Path("data").mkdir(exist_ok=True)
pathlib.Path("data/daemon.json").write_text(json.dumps(state))
admin.serve_forever()
"""


def standin(folder: Path, end: str) -> Daemon:
    return Daemon(folder, end, program=(sys.executable, "-c", STANDIN))


def test_a_daemon_is_ready_when_it_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with standin(tmp_path, "well") as daemon:
        assert daemon.all_pids() == sorted([daemon.pid, daemon.pids()["worker"]])
        assert daemon.metrics() == {'x_total{a="b c"}': 3.0}
        pids = daemon.all_pids()
    assert not any(map(processes.alive, pids))


def test_what_an_earlier_daemon_wrote_is_not_taken_for_this_one(tmp_path: Path) -> None:
    daemon = standin(tmp_path, "well")
    pids = []
    for _ in range(2):
        with daemon:
            pids.append(daemon.pid)
            assert daemon.state()["pid"] == daemon.pid
    assert len(set(pids)) == 2


def test_a_killed_part_is_gone(tmp_path: Path) -> None:
    with standin(tmp_path, "well") as daemon:
        pid = daemon.kill("worker")
        until(lambda: not processes.alive(pid))


def test_a_start_that_fails_shows_the_daemons_last_words(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"exit code 2(.|\n)*good morning(.|\n)*config.yaml:1:1: no"):
        standin(tmp_path, "refuse").start()


def test_an_exit_code_other_than_0_fails_the_stop(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="exit code 7 after SIGTERM"), standin(tmp_path, "badly"):
        pass


def test_a_process_left_behind_fails_the_stop_and_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.harness.daemon.LEFT_BEHIND", 0.1)
    daemon = standin(tmp_path, "forget")
    with pytest.raises(AssertionError, match="every process of the daemon has ended"), daemon:
        pass
    assert daemon.all_pids() == []


def test_a_failing_test_ends_the_daemon_at_once(tmp_path: Path) -> None:
    daemon = standin(tmp_path, "badly")
    with pytest.raises(ZeroDivisionError), daemon:
        raise ZeroDivisionError
    until(lambda: not daemon.all_pids())
