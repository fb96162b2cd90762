"""deploy/callrouter.service: systemd's own checks, and what the daemon needs of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from router import cli, daemon
from tests.deploy.promised import DEPLOY

UNIT = DEPLOY / "callrouter.service"
PROGRAM = "/opt/callrouter/.venv/bin/callrouter"


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


def settings(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    # It looks for the program, which an installation puts elsewhere.
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true").replace("/opt/callrouter", "/"))

    checked = analyze("verify", str(here))

    assert (checked.stdout, checked.stderr, checked.returncode) == ("", "", 0)


def test_systemd_finds_little_that_a_broken_daemon_could_still_do() -> None:
    # 10 is a unit without any protection; the threshold is in tenths.
    checked = analyze("security", "--offline=true", "--threshold=20", "--no-pager", str(UNIT))

    assert checked.returncode == 0, checked.stdout[-200:]


def test_systemd_waits_longer_than_the_daemon_takes_to_stop() -> None:
    assert int(settings("TimeoutStopSec")[0]) > daemon.GRACE


def test_the_unit_runs_commands_that_exist() -> None:
    started = re.findall(rf"^(Exec\w+)={PROGRAM} (\S+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)

    assert started == [("ExecStartPre", "check"), ("ExecStart", "run"), ("ExecReload", "reload")]
    for _, name in started:
        command = cli.commands.get_command(None, name)  # type: ignore[arg-type]  # it never looks at the context
        assert command is not None
        assert "CALLROUTER_CONFIG" in {parameter.envvar for parameter in command.params}


def test_systemd_hears_from_the_supervisor_and_leaves_its_processes_to_it() -> None:
    assert settings("Type") == ["notify"]
    assert settings("NotifyAccess") == ["main"]
    assert settings("KillMode") == ["mixed"]


def test_every_system_call_that_the_daemon_lives_by_is_let_through() -> None:
    allowed = set(analyze("syscall-filter", "@system-service").stdout.split())
    groups = [word for word in allowed if word.startswith("@")]
    allowed |= set(analyze("syscall-filter", *groups).stdout.split())
    refused = set(analyze("syscall-filter", "@privileged", "@resources").stdout.split())

    needed = {"memfd_create", "setpgid", "flock", "fallocate", "prctl", "sched_getaffinity", "accept4", "sendmsg"}
    assert needed <= allowed - refused


def test_only_the_state_directory_is_writable() -> None:
    assert settings("ProtectSystem") == ["strict"]
    assert settings("ReadWritePaths") == []
    assert settings("StateDirectory") == ["callrouter"]
    assert settings("WorkingDirectory") == ["/var/lib/callrouter"]
