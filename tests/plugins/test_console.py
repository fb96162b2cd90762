"""What a person reads on the terminal."""

from __future__ import annotations

import io
import os
import pty
import sys

import pytest

from plugins.console import Console
from router.errors import TemporaryFailure
from router.testing import RecordingHttp, make_delivery


def console(**settings) -> Console:
    return Console(Console.Settings.model_validate(settings), RecordingHttp())


@pytest.mark.parametrize(
    ("kind", "facts", "line"),
    [
        ("call_ended", {}, "14:05 missed call  +44 7700 900123 → +44 20 7946 0958  rang 18s"),
        (
            "call_ended",
            {"missed": False, "outcome": "answered", "talk_seconds": 161.0},
            "14:05 call answered  +44 7700 900123 → +44 20 7946 0958  rang 18s  talked 2m 41s",
        ),
        (
            "call_ended",
            {"calls_today": 3, "missed_today": 2},
            "14:05 missed call  +44 7700 900123 → +44 20 7946 0958  3rd call of the day  rang 18s",
        ),
        (
            "call_corrected",
            {"missed": False, "outcome": "no_answer", "ring_seconds": None},
            "14:05 corrected: call no answer  +44 7700 900123 → +44 20 7946 0958",
        ),
        (
            "alert",
            {},
            "callrouter: 1 dead letter at crm: crm.example answered 422 Unprocessable Content. "
            "See: callrouter deliveries --state dead --destination crm",
        ),
        ("call_setup", {}, "14:05 call setup  +44 7700 900123 → +44 20 7946 0958"),
    ],
)
def test_one_line_says_what_happened(capsys, kind, facts, line):
    console().deliver(make_delivery(kind, facts=facts))

    assert capsys.readouterr().out == line + "\n"


def test_nothing_from_an_event_moves_the_cursor_or_starts_a_line(capsys):
    hostile = "a\x1b[2J\r\nb\u202ec\u2028d\x9b31me f\tg"

    console().deliver(make_delivery(event={"tag": hostile}))

    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.endswith("a[2Jbcd31me fg\n")


def test_the_line_can_be_the_operators_own(capsys):
    console(text="{{ event.from }}\n{{ facts.weekday }}").deliver(make_delivery())

    assert capsys.readouterr().out == "+447700900123 mon\n"


@pytest.mark.parametrize(("no_color", "colour"), [(None, True), ("1", False)])
def test_colour_is_for_terminals_and_can_be_refused(monkeypatch, no_color, colour):
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    master, terminal = pty.openpty()
    with os.fdopen(terminal, "w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        console().deliver(make_delivery())
        shown = os.read(master, 4096)
    os.close(master)

    assert (b"\x1b[31m" in shown) is colour


def test_an_output_that_knows_few_letters_still_gets_the_line(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))

    console().deliver(make_delivery())

    assert b"+44 7700 900123 ? +44 20" in raw.getvalue()


def test_an_output_that_is_gone_is_tried_again(monkeypatch):
    out = io.StringIO()
    out.close()
    monkeypatch.setattr(sys, "stdout", out)

    with pytest.raises(TemporaryFailure, match="standard output"):
        console().deliver(make_delivery())
