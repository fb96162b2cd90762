"""What a person is told who is not the user that callrouter runs as: whose it is, and never a traceback."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from router.config import Config

#: From linux/prctl.h and linux/capability.h: what lets root read everything.
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def be_bound_by_rights() -> None:
    """Give up, from the next exec on, what root may do to the files of others; runs in the child."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH) if os.geteuid() == 0 else ():
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability)


def ask(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "router", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=be_bound_by_rights,
    )


@pytest.fixture
def locked(config: Config) -> Iterator[Config]:
    """A configuration whose data folder belongs, as it were, to somebody else."""
    config.data.mkdir(exist_ok=True)
    config.data.chmod(0)
    try:
        yield config
    finally:
        config.data.chmod(0o700)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("status",), 1),
        (("run",), 1),
        (("serve",), 1),
        (("work",), 1),
        (("events",), 4),
        (("calls",), 4),
        (("replay", "--dry-run"), 4),
        (("pause", "crm"), 4),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_data_of_somebody_else_is_one_sentence(locked: Config, words: tuple[str, ...], code: int) -> None:
    ran = ask(*words)

    assert ran.returncode == code, ran.stderr
    assert ran.stdout == ""
    assert ran.stderr.startswith("callrouter: ")
    assert "Permission denied" in ran.stderr
    assert str(locked.data) in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_doctor_says_that_it_could_not_look_and_looks_at_the_rest(locked: Config) -> None:
    ran = ask("doctor", "--json")

    assert ran.returncode == 3, ran.stderr
    found = json.loads(ran.stdout)["findings"]
    problems = [one for one in found if one["level"] == "problem"]
    assert problems == [
        {
            "level": "problem",
            "what": "rights",
            "text": f"cannot look into {locked.data}: Permission denied: nothing in it was looked at",
            "todo": "ask as the user that callrouter runs as",
        }
    ]
    assert {one["what"] for one in found} >= {"configuration", "rights"}
