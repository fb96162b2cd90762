"""Silences on the command line."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from router.store import NewDelivery, NewEvent, SilenceRow, State
from router.store.sqlite.store import SqliteStore

NOW = time.time()


@pytest.fixture
def silences(config, played):
    """Two silences, one of them ended; the first has caught a delivery."""
    played.call("missed")
    store = SqliteStore.open(config.data)
    store.silence(SilenceRow(3, ("tag=noisy", "destination=crm"), "builders", "ada", NOW - 60, NOW + 7000))
    store.silence(SilenceRow(4, ("destination=fax",), "moved", "bob", NOW - 60, NOW - 30, "eve"))
    delivery = NewDelivery("crm", None, True, ended=State.SILENCED, reason="silence 3 of ada: builders", silence=3)
    event = NewEvent(b"k" * 24, "phone", "call-1", "ringing", NOW, NOW, b"{}", {}, False, "v1", [], False)
    store.add_event(event, [delivery], now=NOW)
    store.close()


def test_a_silence_is_recorded_with_its_matchers_end_and_reason(run, config, recorded):
    config.data.mkdir()

    ran = run("silence", "add", "tag=noisy", "destination=crm", "--for", "2h", "--why", "builders")

    assert ran.code == 0
    [(action, arguments)] = recorded()
    assert (action, arguments["matchers"], arguments["why"]) == (
        "silence",
        ["tag=noisy", "destination=crm"],
        "builders",
    )
    assert arguments["until"] == pytest.approx(time.time() + 7200, abs=60)


def test_a_silence_may_end_at_a_moment_of_the_configurations_clock(run, config, recorded):
    config.data.mkdir()

    assert run("silence", "add", "tag=a", "--until", "2190-07-04T10:00", "--why", "x").code == 0
    assert recorded()[0][1]["until"] == datetime.fromisoformat("2190-07-04T10:00+01:00").timestamp()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["tag=a", "--why", "x"], "Say how long: --for 2h, or --until 18:00."),
        (["tag=a", "--for", "1h", "--until", "18:00", "--why", "x"], "Say how long"),
        (["tag=a", "--for", "soon", "--why", "x"], '"soon" is no duration'),
        (["tag=a", "--until", "soon", "--why", "x"], "or 18:00"),
        (["tag=a", "--until", "2020-01-01T00:00", "--why", "x"], "has passed already"),
        (["tag=a", "--for", "1h", "--why", " "], "Say why"),
        (["tag=a", "--for", "1h"], "--why"),
        (["--for", "1h", "--why", "x"], "KEY=VALUE"),
        (["tga=a", "--for", "1h", "--why", "x"], 'silence:1:1: unknown key "tga" in a condition; did you mean "tag"?'),
        (
            ["tag=a", "destination=cmr", "--for", "1h", "--why", "x"],
            'silence:1:19: there is no destination "cmr"; did you mean "crm"?',
        ),
        (["rule=mised", "--for", "1h", "--why", "x"], 'there is no rule "mised"; did you mean "missed"?'),
    ],
)
def test_a_silence_with_a_mistake_is_refused_with_what_to_write(run, config, recorded, arguments, told):
    config.data.mkdir()

    ran = run("silence", "add", *arguments)

    assert ran.code == 2
    assert told in ran.err
    assert recorded() == []


def test_active_silences_are_listed_with_what_they_caught(run, silences):
    ran = run("silence", "list")

    assert ran.code == 0
    assert "tag=noisy destination=crm  in 1h" in ran.out
    assert "builders" in ran.out
    assert "moved" not in ran.out
    assert run("silence", "list", "--json").json[0]["caught"] == 1


def test_ended_silences_are_listed_on_request_with_who_ended_them(run, silences):
    out = run("silence", "list", "--all").out

    assert "by eve" in out
    assert 'destination "fax" is no longer in config.yaml' in " ".join(out.split())


def test_a_silence_is_shown_with_the_deliveries_it_caught(run, silences):
    ran = run("silence", "show", "3")

    assert ran.code == 0
    assert "1 delivery" in ran.out
    assert "silenced" in ran.out.splitlines()[-1]
    [document] = run("silence", "show", "3", "--json").json
    assert [one["state"] for one in document["deliveries"]] == ["silenced"]


def test_a_silence_that_is_not_there_is_said(run, silences, recorded):
    assert run("silence", "show", "9").code == 3
    assert run("silence", "end", "4").code == 3
    assert recorded() == []


def test_a_silence_is_ended_by_its_number_also_before_the_worker_has_read_it(run, silences, recorded, config):
    assert run("silence", "end", "3").code == 0
    run("silence", "add", "tag=a", "--for", "1h", "--why", "x")
    assert run("silence", "end", "2").code == 0

    assert [arguments.get("silence") for _, arguments in recorded()] == [3, None, 2]


def test_status_reminds_of_active_silences(run, silences):
    out = " ".join(run("status").out.split())

    assert "1 silence is active, the last one for" in out
    assert "callrouter silence list" in out


def test_what_a_silence_caught_is_replayed_by_its_number(run, silences, recorded):
    ran = run("replay", "--silence", "3", "--yes")

    assert ran.code == 0
    assert recorded()[0][1]["where"] == {"silence": 3, "state": "silenced"}
    assert recorded()[0][1]["expected"] == 1


@pytest.mark.parametrize("name", ["add", "list", "show", "end"])
def test_every_part_of_silence_has_help_that_names_its_exit_codes(run, name):
    ran = run("silence", name, "--help")

    assert ran.code == 0
    assert ran.out.startswith(f"Usage: callrouter silence {name}")
    assert "Exit codes:" in ran.out
