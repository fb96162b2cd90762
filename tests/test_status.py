"""What status makes of what it finds, and how it finds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from router.config import load
from router.errors import Fault
from router.inbox import NewEntry
from router.inbox.segment import Segment
from router.status import BreakerStatus, Disk, Findings, InboxStatus, Process, breakers, daemons, gather, readiness
from router.status.inbox import segments
from router.status.model import Daemon, DestinationStatus
from router.status.troubles import command, troubles
from router.store import NewDelivery, NewEvent
from router.store.sqlite.store import SqliteStore

NOW = 1_760_000_000.0
GIB = 1 << 30

WORKER = Process("worker", 101, NOW - 60, 0, "running", None, alive=True)
RUNNING = Daemon(
    ("ingest", "worker"),
    100,
    NOW - 3600,
    "config.yaml",
    "v1",
    "127.0.0.1:8080",
    "127.0.0.1:8081",
    (WORKER,),
    alive=True,
)
SLACK = DestinationStatus("slack", "slack", None, 0, 0, 0, 12, None, None, None)
WELL = Findings(
    now=NOW,
    config=Path("config.yaml"),
    config_version="v1",
    data=Path("data"),
    daemons=(RUNNING,),
    ever_ran=True,
    worker_beat_at=NOW - 1,
    sources={"phone": NOW - 5},
    destinations=(SLACK,),
    refused_lately=0,
    inbox=InboxStatus(1, 4096, 0, None),
    disk=Disk(40 * GIB, 100 * GIB),
    commands_waiting=0,
    oldest_event_at=None,
    store_error=None,
)


def levels(found: Findings) -> list[str]:
    return [trouble.level for trouble in troubles(found)]


def test_a_daemon_with_nothing_overdue_needs_nobody():
    assert troubles(WELL) == ()


@pytest.mark.parametrize(
    ("change", "level", "what", "todo"),
    [
        ({"daemons": (), "ever_ran": False}, "broken", "it never has", "callrouter run"),
        ({"daemons": (replace(RUNNING, alive=False),)}, "broken", "callrouter is not running", "callrouter run"),
        ({"daemons": (replace(RUNNING, roles=("worker",)),)}, "broken", "receives is not running", "callrouter serve"),
        ({"daemons": (replace(RUNNING, roles=("ingest",)),)}, "broken", "delivers is not running", "callrouter work"),
        ({"worker_beat_at": NOW - 90}, "broken", "the worker has not moved for 1m 30s", None),
        (
            {
                "daemons": (
                    replace(RUNNING, processes=(replace(WORKER, alive=False, last_exit="signal 9", restarts=4),)),
                )
            },
            "broken",
            "worker is down (last exit: signal 9)",
            None,
        ),
        ({"store_error": "data/store.sqlite is locked"}, "broken", "data/store.sqlite is locked", "ls -la data"),
        ({"store_error": "it is damaged", "store_damaged": True}, "broken", "it is damaged", "callrouter doctor"),
        ({"disk": Disk(GIB - 1, 10 * GIB)}, "attention", "nearly full", "du -xh"),
        ({"disk": Disk(4 * GIB, 100 * GIB)}, "attention", "nearly full", "du -xh"),
        ({"disk": Disk(1 << 20, 100 * GIB, refuse_below=64 << 20)}, "broken", "events are refused", "du -xh"),
        ({"disk": Disk(40 * GIB, 100 * GIB, wanted_ballast=1 << 20)}, "note", "there is no ballast", None),
        ({"sources": {"phone": NOW + 3600}}, "attention", "clock was set back", "timedatectl"),
        ({"inbox": InboxStatus(1, 4096, 9, NOW - 120)}, "broken", "worker is behind", None),
        ({"refused_lately": 2}, "attention", "2 events were refused", "callrouter events --rejected"),
        ({"daemons": (replace(RUNNING, config_version="v0"),)}, "note", "has changed since", "callrouter reload"),
        ({"daemons": (replace(RUNNING, restart=("listen", "store")),)}, "note", "next start: listen, store", None),
    ],
)
def test_each_thing_that_is_wrong_is_said_with_its_command(change, level, what, todo):
    (trouble,) = troubles(replace(WELL, **change))

    assert trouble.level == level
    assert what in trouble.what
    assert (todo is None) == (trouble.command is None)
    assert todo is None or trouble.command.startswith(todo)


@pytest.mark.parametrize(
    ("change", "what", "todo"),
    [
        ({"dead": 3}, "3 dead letters", "callrouter replay --destination slack"),
        ({"paused_at": NOW - 60, "paused_reason": "401"}, '"slack" is paused for 1m: 401', "callrouter resume slack"),
        (
            {"paused_at": NOW - 60, "paused_reason": "they move house", "paused_by_hand": True},
            '"slack" has been paused by hand for 1m: they move house',
            "callrouter resume slack",
        ),
        (
            {"paused_at": NOW - 60, "paused_reason": "paused by hand", "paused_by_hand": True},
            '"slack" has been paused by hand for 1m',
            "callrouter resume slack",
        ),
        ({"type": None, "waiting": 7}, "no longer in config.yaml", "callrouter give-up slack"),
        ({"disabled": "SLACK_URL is not set", "waiting": 1}, "1 delivery waits", "callrouter give-up slack"),
        ({"overdue_since": NOW - 900, "waiting": 1}, "overdue by 15m", "callrouter deliveries --destination slack"),
    ],
)
def test_each_trouble_of_a_destination_is_said_with_its_command(change, what, todo):
    (trouble,) = troubles(replace(WELL, destinations=(replace(SLACK, **change),)))

    assert trouble.level == "attention"
    assert what in trouble.what
    assert trouble.command.startswith(todo)


@pytest.mark.parametrize(
    "change",
    [
        {"disabled": "SLACK_URL is not set"},
        {"waiting": 5, "overdue_since": NOW - 2},
        {"delivered": 1_000_000},
    ],
)
def test_a_destination_as_the_operator_wants_it_needs_nobody(change):
    assert troubles(replace(WELL, destinations=(replace(SLACK, **change),))) == ()


def test_a_paused_destination_is_not_also_said_to_be_behind():
    paused = replace(SLACK, paused_at=NOW - 9000, paused_reason="401", overdue_since=NOW - 8000, waiting=4)

    assert len(troubles(replace(WELL, destinations=(paused,)))) == 1


ILL = BreakerStatus("open", NOW - 120, NOW + 30, "crm answered 503")


def test_a_destination_left_alone_for_a_moment_needs_nobody_and_for_long_somebody():
    short = replace(WELL, destinations=(replace(SLACK, waiting=3, breaker=ILL),))
    long = replace(WELL, destinations=(replace(SLACK, waiting=3, breaker=replace(ILL, open_since=NOW - 600)),))

    assert (levels(short), levels(long)) == (["note"], ["attention"])
    [trouble] = troubles(long)
    assert trouble.what == '"slack" is left alone for 10m, because everything sent to it failed: crm answered 503'


def test_a_destination_left_alone_is_not_also_said_to_be_behind():
    behind = replace(SLACK, waiting=3, overdue_since=NOW - 900, breaker=ILL)

    assert levels(replace(WELL, destinations=(behind,))) == ["note"]


def test_the_breakers_are_the_ones_that_the_worker_last_told_of(tmp_path):
    (tmp_path / "worker.json").write_text(
        json.dumps({"at": 1, "breakers": {"crm": {"state": "open", "since": 2, "next_try_at": 3, "reason": "503"}}})
    )

    assert breakers(tmp_path) == {"crm": BreakerStatus("open", 2, 3, "503")}


@pytest.mark.parametrize("text", ["", "[]", '{"at": 1}', '{"breakers": {"crm": 1}}', '{"breakers": []}'])
def test_a_worker_that_says_nothing_of_breakers_has_none_open(tmp_path, text):
    (tmp_path / "worker.json").write_text(text)

    assert breakers(tmp_path) == {}


def test_outside_its_hours_a_destination_is_closed_and_what_waits_is_not_overdue(tmp_path):
    (tmp_path / "config.yaml").write_text("""
sources: {phone: {}}
hours: {week: [{days: mon-fri, from: "09:00", to: "17:00"}], never: [{dates: 2020-01-01, from: "09:00", to: "17:00"}]}
destinations:
  office: {type: console, open: week}
  museum: {type: console, open: never}
always: [office, museum]
unmatched: drop
alerts: none
""")
    config = load(tmp_path / "config.yaml")
    saturday, monday = 1795262400.0, 1795424400.0
    with closing(SqliteStore.open(config.data)) as store:
        store.know(config.destinations, {})
        event = NewEvent(b"k", "phone", "c", "ringing", saturday, saturday, b"{}", {}, False, "v", [], False)
        store.add_event(event, [NewDelivery(name, None, False) for name in config.destinations], now=saturday)

    office, museum = gather(config, saturday + 3600).found.destinations
    assert (office.closed, office.opens_at, office.overdue_since) == (True, monday, None)
    assert (museum.closed, museum.opens_at, museum.overdue_since) == (True, None, None)

    office, _ = gather(config, monday + 600).found.destinations
    # It could be told for ten minutes, and not since Saturday.
    assert (office.closed, office.opens_at, office.overdue_since) == (False, None, monday)


def test_the_worst_is_said_first():
    found = replace(WELL, daemons=(), refused_lately=1, commands_waiting=1)

    assert levels(found) == ["broken", "attention", "note"]


def test_commands_name_a_configuration_that_is_not_where_it_is_looked_for():
    assert command("resume slack", Path("/etc/call router.yaml")) == (
        "callrouter resume slack --config '/etc/call router.yaml'"
    )
    assert command("resume slack", Path("config.yaml")) == "callrouter resume slack"


# data/daemon.json -----------------------------------------------------------------------------------------------


def write(data: Path, pid: int, worker: int | None = None, *, name: str = "daemon.json") -> None:
    data.joinpath(name).write_text(
        json.dumps(
            {
                "pid": pid,
                "started_at": NOW,
                "config": "config.yaml",
                "config_version": "v1",
                "listen": "127.0.0.1:8080",
                "admin": "127.0.0.1:8081",
                "disabled": {"slack": "SLACK_URL is not set"},
                "processes": [{"name": "worker", "pid": worker, "started_at": NOW, "restarts": 2, "state": "running"}],
            }
        )
    )


@pytest.fixture
def living():
    """A process that waits on its stdin and has the word router on its command line, as ours have."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()", "router"], stdin=subprocess.PIPE)
    yield process
    process.communicate()


def test_no_daemon_is_known_where_none_has_run(tmp_path):
    assert daemons(tmp_path) == ()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": "x"}', '{"pid": 1, '])
def test_an_unreadable_word_of_a_daemon_is_no_word(tmp_path, text):
    (tmp_path / "daemon.json").write_text(text)

    assert daemons(tmp_path) == ()


def test_a_daemon_lives_while_its_supervisor_and_a_process_while_it_does(tmp_path, living):
    write(tmp_path, living.pid, living.pid)

    (found,) = daemons(tmp_path)

    assert found.alive
    assert found.processes[0].alive


def test_a_killed_daemon_does_not_live_although_its_file_says_so(tmp_path, living):
    write(tmp_path, living.pid, living.pid)
    living.kill()
    living.wait()

    assert not daemons(tmp_path)[0].alive


def test_a_dead_daemon_that_nobody_has_waited_for_does_not_live(tmp_path, living):
    write(tmp_path, living.pid)
    living.kill()
    os.waitid(os.P_PID, living.pid, os.WEXITED | os.WNOWAIT)

    assert not daemons(tmp_path)[0].alive


def test_a_dead_process_of_a_living_daemon_does_not_live_although_nobody_has_waited_for_it(tmp_path, living):
    worker = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
    write(tmp_path, living.pid, worker.pid)

    (found,) = daemons(tmp_path)
    worker.wait()

    assert found.alive
    assert not found.processes[0].alive


def test_a_stranger_with_the_number_of_a_daemon_is_not_taken_for_it(tmp_path):
    stranger = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, cwd="/")
    try:
        write(tmp_path, stranger.pid)
        assert not daemons(tmp_path)[0].alive
    finally:
        stranger.communicate()


def test_receiving_and_delivering_may_be_two_daemons(tmp_path, living):
    write(tmp_path, living.pid, name="daemon-ingest.json")
    write(tmp_path, living.pid, name="daemon-worker.json")

    assert [daemon.roles for daemon in daemons(tmp_path)] == [("ingest",), ("worker",)]


def test_the_word_of_a_killed_daemon_is_not_listened_to_while_another_lives(tmp_path, living):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write(tmp_path, gone.pid)
    write(tmp_path, living.pid, name="daemon-worker.json")

    assert [daemon.roles for daemon in daemons(tmp_path)] == [("worker",)]


def test_processes_of_a_dead_daemon_do_not_live(tmp_path, living):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write(tmp_path, gone.pid, living.pid)

    assert not daemons(tmp_path)[0].processes[0].alive


# The inbox, the probes ------------------------------------------------------------------------------------------


@pytest.fixture
def segment(tmp_path):
    """The inbox segment of a living writer, with three entries."""
    segment = Segment(tmp_path / "inbox", NOW)
    segment.append([NewEntry("phone", b"{}", NOW + n, "10.0.0.1") for n in range(3)])
    yield segment
    segment.close()


def test_nothing_lies_in_an_inbox_that_was_never_made(tmp_path):
    assert segments(tmp_path, {}) == InboxStatus(0, 0, 0, None)


@pytest.mark.parametrize(("routed", "left", "oldest"), [(0, 3, NOW), (2, 1, NOW + 2), (3, 0, None)])
def test_what_is_not_routed_is_counted_while_a_writer_writes(tmp_path, segment, routed, left, oldest):
    found = segments(tmp_path, {segment.name: routed})

    assert (found.segments, found.unrouted, found.oldest_at) == (1, left, oldest)
    assert found.bytes > 0


def test_a_segment_that_cannot_be_read_hides_no_other(tmp_path, segment):
    (tmp_path / "inbox" / "broken.sqlite").write_bytes(b"this is no database" * 99)

    assert segments(tmp_path, {}).unrouted == 3


@pytest.fixture
def config(tmp_path):
    text = """
        sources: {phone: {}}
        destinations: {archive: {type: file, path: archive.jsonl}}
        always: [archive]
        unmatched: drop
        alerts: none
        rules: []
    """
    (tmp_path / "config.yaml").write_text(textwrap.dedent(text))
    loaded = load(tmp_path / "config.yaml")
    loaded.data.mkdir()
    return loaded


def test_ready_is_a_readable_store_and_a_living_worker_that_keeps_up(config, living):
    SqliteStore.open(config.data).close()
    write(config.data, living.pid, living.pid)

    assert readiness(config, NOW) == []


def test_not_ready_without_store_and_worker(config):
    store, worker = readiness(config, NOW)

    assert store.startswith("The store cannot be read: no store in ")
    assert worker.startswith("The worker is not running")


def test_not_ready_when_the_worker_does_not_move(config, living):
    SqliteStore.open(config.data).close()
    write(config.data, living.pid, living.pid)
    (config.data / "worker.json").write_text(json.dumps({"at": NOW - 300}))

    assert readiness(config, NOW) == ["The worker has not moved for 5m."]


def test_not_ready_when_an_accepted_event_waits_too_long(config, living):
    SqliteStore.open(config.data).close()
    write(config.data, living.pid, living.pid)
    segment = Segment(config.data / "inbox", NOW)
    segment.append([NewEntry("phone", b"{}", NOW - 120, "10.0.0.1")])

    reasons = readiness(config, NOW)
    segment.close()

    assert reasons == ["The worker is behind: an accepted event has not been routed for 2m."]


def test_only_the_refused_events_of_the_last_day_that_are_still_refused_ask_for_anybody(config):
    with closing(SqliteStore.open(config.data)) as store, store.transaction():
        for received_at in (NOW - 3 * 86400, NOW - 60, NOW - 30, NOW - 10):
            last = store.quarantine("phone", b"{}", [Fault("uuid", "is missing")], received_at, "10.0.0.1")
        store.readmitted(last, NOW)

    assert gather(config, NOW).found.refused_lately == 2


def test_the_daemon_is_believed_about_what_is_off_rather_than_this_shell(config, living):
    (config.path).write_text(
        "sources: {phone: {}}\nalways: [slack]\nunmatched: drop\nalerts: none\n"
        'destinations: {slack: {type: slack, url: "${SLACK_URL}", optional: true}}\n'
    )
    here = load(config.path, {"SLACK_URL": "https://hooks.example/x"})
    write(config.data, living.pid, living.pid)
    said = json.loads((config.data / "daemon.json").read_text())

    (config.data / "daemon.json").write_text(json.dumps(said | {"config_version": here.version}))
    assert gather(here, NOW).found.destinations[0].disabled == "SLACK_URL is not set"

    (config.data / "daemon.json").write_text(json.dumps(said | {"config_version": "of another file"}))
    assert gather(here, NOW).found.destinations[0].disabled is None


def test_a_name_that_was_dropped_and_is_owed_nothing_is_not_shown(config):
    with closing(SqliteStore.open(config.data)) as store, store.transaction():
        store.know(["former"], {})

    assert [one.name for one in gather(config, NOW).found.destinations] == ["archive"]


def test_a_store_that_is_no_database_is_a_trouble_and_no_error(config):
    (config.data / "store.sqlite").write_bytes(b"this is no database" * 99)

    status = gather(config, NOW)

    assert any("the store cannot be read" in trouble.what for trouble in status.troubles)
    assert status.found.store_damaged
    # Nobody knows what waits, so nobody is told that nothing does.
    assert status.found.destinations == ()
