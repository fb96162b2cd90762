"""A running daemon takes another configuration: all of it or nothing, and nobody who posts notices."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from router.store import EventRow, Filter
from router.store.sqlite.reading import SqliteReading
from tests.acceptance.settings import an_event, events, to_each
from tests.harness import processes
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.load import Load
from tests.harness.receiver import Receiver
from tests.harness.recording import Recorder, Reply
from tests.harness.verdict import Ledger, judge
from tests.harness.waiting import pause, until

pytestmark = pytest.mark.slow

RELOADS = 100


def hup(daemon: Daemon) -> dict[str, Any]:
    """Ask as the system does, with a signal, and return what the daemon has written of it."""
    seen = last_answer(daemon)
    os.kill(daemon.pid, signal.SIGHUP)
    return until(lambda: (said := last_answer(daemon)) != seen and said, what="it is answered")


def last_answer(daemon: Daemon) -> dict[str, Any]:
    answers = daemon.data / "reload.json"
    return dict(json.loads(answers.read_text())) if answers.exists() else {}


def routed(daemon: Daemon) -> list[EventRow]:
    reading = SqliteReading.open(daemon.data)
    try:
        return sorted(reading.events(Filter(), 1_000_000), key=lambda row: row.id)
    finally:
        reading.close()


def change(daemon: Daemon, config: str) -> None:
    daemon.config.write_text(config)
    done = daemon.run("reload")
    assert done.code == 0, done.err
    assert "is in use" in done.out


def sources(*names: str) -> str:
    return "sources:\n" + "".join(f"  {name}: {{}}\n" for name in names)


def test_a_hundred_reloads_under_load_lose_and_refuse_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with Receiver(log=True) as receiver:
        texts = [f"{to_each(out=receiver.url)}# {word}\n" for word in ("one", "other")]
        with Daemon(tmp_path, texts[0]) as daemon:
            versions = [daemon.state()["config_version"]]
            with Load(daemon.url(), connections=8, ledger=path) as load:
                load.start("open", rate=120)
                for number in range(1, RELOADS + 1):
                    daemon.config.write_text(texts[number % 2])
                    said = hup(daemon)
                    assert said["ok"], said["text"]
                    versions.append(said["version"])
                report = load.stop(40)
            until(lambda: receiver.report()["different"] == report["sent"], 30, what="every event has arrived")
            assert daemon.metrics()['callrouter_config_reloads_total{result="applied"}'] == RELOADS
            assert daemon.metrics()[f'callrouter_config_info{{version="{versions[-1]}"}}'] == 1
            assert not any(entry["restarts"] for entry in daemon.state()["processes"])
        verdict = judge(Ledger.read(path), receiver.log(), unknown={})
    assert report["answers"] == {"200": report["sent"]}
    assert verdict.faults == []
    assert verdict.duplicates == 0
    assert len(set(versions)) == 2
    # The version changes only as often as it was changed, and each event has one that was in use then.
    told = [row.config_version for row in routed(daemon)]
    assert set(told) == set(versions)
    assert sum(one != other for one, other in itertools.pairwise(told)) <= RELOADS


def test_a_wrong_file_changes_nothing_and_says_what_check_says(tmp_path: Path) -> None:
    with Recorder() as recorder, Daemon(tmp_path, to_each(out=recorder.url)) as daemon:
        version = daemon.state()["config_version"]
        daemon.config.write_text(to_each(out=recorder.url).replace("unmatched", "unmatchd"))
        checked = daemon.run("check", "--config", "config.yaml")
        assert checked.code == 2

        done = daemon.run("reload", "--config", str(daemon.config))

        assert done.code == 2
        text = checked.err.strip().replace("config.yaml:", f"{daemon.config}:")
        assert text in done.err
        assert f"version {version} goes on" in done.err
        logged = [json.loads(line) for line in daemon.log().splitlines() if '"reload"' in line]
        assert text in logged[-1]["text"]
        assert daemon.state()["config_version"] == version
        metrics = daemon.metrics()
        assert metrics["callrouter_config_last_reload_ok"] == 0
        assert metrics['callrouter_config_reloads_total{result="refused"}'] == 1
        assert daemon.post(an_event()).status == 200
        until(lambda: recorder.accepted, what="the event has arrived")

        daemon.config.write_text(to_each(out=recorder.url))
        assert daemon.run("reload").code == 0
        assert daemon.metrics()["callrouter_config_last_reload_ok"] == 1


def test_a_new_source_is_open_and_a_removed_one_is_not(tmp_path: Path) -> None:
    with Recorder() as recorder:
        config = to_each(out=recorder.url)
        with Daemon(tmp_path, config) as daemon:
            assert daemon.post(an_event(), "other").status == 404
            change(daemon, config.replace("sources:\n  wavix: {}\n", sources("other")))
            assert daemon.post(an_event(), "other").status == 200
            assert daemon.post(an_event(), "wavix").status == 404


def test_what_waits_is_sent_with_the_new_settings(tmp_path: Path) -> None:
    with (
        Recorder(lambda _: Reply(503)) as before,
        Recorder() as after,
        Daemon(tmp_path, to_each(out=before.url)) as daemon,
    ):
        posted = events()
        for body in posted:
            assert daemon.post(body).status == 200
        until(lambda: before.requests)
        change(daemon, to_each(out=after.url))
        refused = len(before.requests)
        until(lambda: len(after.accepted) == len(posted), what="everything has arrived at the new address")
        assert [received.body for received in after.accepted] == posted
        assert len(before.requests) == refused


def test_a_destination_that_is_owed_something_goes_only_after_it_was_given_up(tmp_path: Path) -> None:
    with (
        Recorder(lambda _: Reply(503)) as gone,
        Recorder() as stays,
        Daemon(tmp_path, to_each(gone=gone.url, stays=stays.url)) as daemon,
    ):
        assert daemon.post(an_event()).status == 200
        until(lambda: gone.requests)
        version = daemon.state()["config_version"]
        daemon.config.write_text(to_each(stays=stays.url))
        done = daemon.run("reload")
        assert done.code == 2
        assert 'destination "gone" is gone from the configuration, but 1 delivery' in done.err
        assert "callrouter give-up gone" in done.err
        assert daemon.state()["config_version"] == version

        assert daemon.run("give-up", "gone", "--yes").code == 0
        assert daemon.run("reload").code == 0
        assert daemon.state()["config_version"] != version
        assert daemon.post(an_event(1)).status == 200
        until(lambda: len(stays.accepted) == 2, what="the other one goes on")


def test_what_waits_comes_along_when_its_destination_is_renamed(tmp_path: Path) -> None:
    with Recorder(lambda _: Reply(503)) as recorder, Daemon(tmp_path, to_each(old=recorder.url)) as daemon:
        posted = events()
        for body in posted:
            assert daemon.post(body).status == 200
        until(lambda: recorder.requests)
        change(daemon, to_each(new=recorder.url).replace("{type: http,", "{type: http, formerly: old,"))
        recorder.judge(lambda _: Reply())
        until(lambda: len(recorder.accepted) == len(posted), what="everything has arrived")
        assert [received.body for received in recorder.accepted] == posted
        listed = daemon.run("deliveries", "--json").out.splitlines()
        assert Counter(json.loads(line)["destination"] for line in listed) == {"new": len(posted)}


def test_keys_that_need_a_restart_are_named_and_the_rest_is_in_use(tmp_path: Path) -> None:
    with Recorder() as recorder:
        config = to_each(out=recorder.url)
        with Daemon(tmp_path, config) as daemon:
            address = daemon.state()["listen"]
            moved = config.replace(LISTEN, LISTEN.replace("listen: 127.0.0.1:0", "listen: 127.0.0.2:0", 1))
            daemon.config.write_text(moved.replace("sources:\n", "sources:\n  other: {}\n"))
            done = daemon.run("reload")
            assert (done.code, done.err) == (0, "")
            assert "listen changed: it takes effect at the next start" in done.out
            assert "listen changed: it takes effect at the next start" in daemon.log()
            assert daemon.state()["listen"] == address
            assert daemon.post(an_event(), "other").status == 200
            assert "waiting for the next start: listen" in daemon.run("status").out.lower()


def test_what_gunicorn_starts_after_a_reload_begins_with_the_new_configuration(tmp_path: Path) -> None:
    with Recorder() as recorder:
        config = to_each(out=recorder.url)
        with Daemon(tmp_path, config) as daemon:
            change(daemon, config.replace("sources:\n  wavix: {}\n", sources("other")))
            old = processes.children(daemon.pids()["ingest"])
            for pid in old:
                os.kill(pid, signal.SIGKILL)
            until(lambda: set(processes.children(daemon.pids()["ingest"])) - set(old), what="gunicorn has a new one")
            assert until(lambda: daemon.post(an_event(), "other").status) == 200
            assert daemon.post(an_event(), "wavix").status == 404
            # And it follows like the one before.
            change(daemon, config)
            assert daemon.post(an_event(1), "wavix").status == 200


@pytest.mark.parametrize("name", ["worker", "sender-1", "ingest"])
def test_a_process_that_starts_after_a_reload_begins_with_the_new_configuration(name: str, tmp_path: Path) -> None:
    with Recorder() as before, Recorder() as after, Daemon(tmp_path, to_each(out=before.url)) as daemon:
        change(daemon, to_each(out=after.url))
        old = daemon.kill(name)
        until(lambda: daemon.pids().get(name, old) != old, what=f"{name} runs again")
        until(lambda: daemon.post(an_event()).status == 200, what="the event is answered")
        until(lambda: after.accepted, what="the event has arrived")
        assert before.requests == []
        assert {row.config_version for row in routed(daemon)} == {daemon.state()["config_version"]}


def test_whoever_is_killed_during_a_reload_all_are_on_one_configuration(tmp_path: Path) -> None:
    with Recorder() as recorder:
        config = to_each(out=recorder.url)
        texts = [config.replace("sources:\n  wavix: {}\n", sources(f"source-{number}")) for number in (0, 1)]
        with Daemon(tmp_path, texts[0]) as daemon:
            current, usual = 0, len(daemon.pids())
            for number, name in enumerate(["worker", "sender-1", "gunicorn's", "ingest", "admin"] * 2, 1):
                daemon.config.write_text(texts[number % 2])
                pids = {**daemon.pids(), "gunicorn's": until(lambda: processes.children(daemon.pids()["ingest"]))[0]}
                seen = last_answer(daemon)
                os.kill(daemon.pid, signal.SIGHUP)
                # The first round kills while all get ready, the second rather when they exchange it.
                pause(0.0 if number <= 5 else 0.02)
                os.kill(pids[name], signal.SIGKILL)
                said = until(lambda seen=seen: (now := last_answer(daemon)) != seen and now, 60, what="it is answered")
                current = number % 2 if said["ok"] else current
                body = an_event(number)
                until(lambda body=body, now=current: daemon.post(body, f"source-{now}").status == 200)
                # A connection may break when a process ends; an answer counts.
                other = until(lambda body=body, then=1 - current: daemon.post(body, f"source-{then}"))
                assert other.status == 404
                # Not their number: a kill may have made one arrive twice.
                until(lambda body=body: body in [one.body for one in recorder.accepted], 30, what="it has arrived")
                assert routed(daemon)[-1].config_version == said["version"] == daemon.state()["config_version"]
                until(lambda: len(daemon.pids()) == usual, 30, what="all run again")


def test_a_secret_in_a_file_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("before\n")
    with Recorder() as recorder:
        config = to_each(out=recorder.url).replace("wavix: {}", 'wavix: {auth: {token: "${file:token}"}}')
        with Daemon(tmp_path, config) as daemon:
            assert post_with(daemon, "before") == 200
            (tmp_path / "token").write_text("after\n")
            assert post_with(daemon, "before") == 200
            assert daemon.run("reload").code == 0
            assert (post_with(daemon, "before"), post_with(daemon, "after")) == (401, 200)


def post_with(daemon: Daemon, token: str) -> int:
    return daemon.post(an_event(), f"wavix?token={token}").status


def test_two_daemons_on_one_data_folder_are_both_asked(tmp_path: Path) -> None:
    with Recorder(lambda _: Reply(503)) as gone, Recorder() as stays:
        config = to_each(gone=gone.url, stays=stays.url)
        with Daemon(tmp_path, config, role="work") as work, Daemon(tmp_path, config, role="serve") as serve:
            assert serve.post(an_event()).status == 200
            until(lambda: gone.requests)
            version = work.state()["config_version"]
            work.config.write_text(to_each(stays=stays.url))
            refused = work.run("reload")
            assert refused.code == 2
            assert "the part that delivers: " in refused.err
            assert f"the part that receives: not asked; version {version} goes on" in refused.err
            assert {one.state()["config_version"] for one in (work, serve)} == {version}

            assert work.run("give-up", "gone", "--yes").code == 0
            done = work.run("reload", "--json")
            assert (done.code, [one["ok"] for one in json.loads(done.out)["daemons"]]) == (0, [True, True])
            assert len({one.state()["config_version"] for one in (work, serve)} - {version}) == 1


def test_who_asks_while_nothing_runs_is_told_what_to_do(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, to_each(out="http://127.0.0.1:1/"))

    done = daemon.run("reload")

    assert done.code == 1
    assert "no callrouter runs on" in done.err
    assert "callrouter run" in done.err
