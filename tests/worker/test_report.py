"""What the log says of an attempt: a line for a person, and fields for a program."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from router.calls import Call
from router.logs import Log
from router.metrics import Metrics
from router.status.processes import worker_beat
from router.store import Attempt, Claim, Owed, State
from router.worker.report import attempted, heartbeat
from tests.harness.small_disk import fill, small_disk

DELIVERED = Attempt(7, 1, "owner", State.DELIVERED, "delivered", None, None, 1001.0, 1002.0)


@pytest.fixture
def claim() -> Claim:
    return Claim(
        delivery_id=7, attempt=1, event_id=1, destination="slack", rule="vip", key="k", source="wavix",
        call_id="5dccb6b0", event_type="ringing", received_at=1000.0, body=b"{}", facts="{}",
        call=Call("wavix", "5dccb6b0"), receipt=None, owed=Owed(1000.0, 1000.0),
    )  # fmt: skip


def said(claim: Claim, folder: Path, **changes: Any) -> dict[str, Any]:
    """Return the one line that is written about an attempt."""
    attempt = replace(DELIVERED, **changes)
    path = folder / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    log = Log("worker", descriptor=descriptor)
    attempted(log, Metrics(folder / "metrics" / "test"), claim, attempt)
    log.flush()
    os.close(descriptor)
    line: dict[str, Any] = json.loads(path.read_text())
    return line


def test_a_delivery_is_told_with_how_long_it_took(claim: Claim, tmp_path: Path) -> None:
    line = said(claim, tmp_path)

    assert line["level"] == "info"
    assert line["text"].endswith("in 2s")


def test_what_was_sent_in_plain_words_is_a_warning_that_says_why(claim: Claim, tmp_path: Path) -> None:
    line = said(claim, tmp_path, unfilled=True, reason="sent in plain words: the template of … cannot be filled in")

    assert (line["level"], line["what"]) == ("warning", "delivered")
    assert line["text"].endswith("in 2s  sent in plain words: the template of … cannot be filled in")


@pytest.mark.parametrize(
    ("state", "level"), [(State.READY, "warning"), (State.DEAD, "error"), (State.EXPIRED, "error")]
)
def test_an_attempt_that_failed_says_why(state: State, level: str, claim: Claim, tmp_path: Path) -> None:
    line = said(claim, tmp_path, state=state, outcome="failed", reason="crm.example answered 503", due_at=1012.0)

    assert line["level"] == level
    assert "attempt 1: crm.example answered 503" in line["text"]


def test_a_worker_on_a_full_disk_still_says_that_it_lives(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        heartbeat(disk, 1000.0, lag=12.5, in_hand=10, breakers={})
        fill(disk)

        heartbeat(disk, 1001.0, lag=0.0, in_hand=0, breakers={})

        assert worker_beat(disk) == 1001.0
