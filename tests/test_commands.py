"""Recorded commands: appended by anybody, read by the worker, never lost, never out of order."""

from __future__ import annotations

import subprocess
import sys

import pytest

from router.commands import Command
from router.commands.file import CommandFile
from router.errors import StoreError

APPEND = """
import sys
from pathlib import Path
from router.commands.file import CommandFile
commands = CommandFile(Path(sys.argv[1]))
for n in range(20):
    commands.append("resume", {"destination": f"{sys.argv[2]}-{n}"}, who=sys.argv[2], now=n)
"""


@pytest.fixture
def commands(tmp_path):
    commands = CommandFile(tmp_path)
    yield commands
    commands.close()


def test_without_a_file_there_are_no_commands(commands, tmp_path):
    assert commands.after(0) == []
    assert list(tmp_path.iterdir()) == []


def test_a_command_is_read_as_it_was_recorded(commands):
    number = commands.append("replay", {"deliveries": [1, 2]}, who="alice", now=12.5)

    assert commands.after(0) == [Command(number, 12.5, "alice", "replay", {"deliveries": [1, 2]})]


def test_only_what_came_after_the_position_is_read(commands):
    first = commands.append("pause", {"destination": "crm", "reason": "moving"}, who="alice", now=1)
    second = commands.append("resume", {"destination": "crm"}, who="bob", now=2)

    assert [command.id for command in commands.after(first)] == [second]
    assert commands.after(second) == []


def test_commands_are_read_oldest_first_and_no_more_than_asked_for(commands):
    ids = [commands.append("resume", {"destination": "crm"}, who="alice", now=n) for n in range(3)]

    assert [command.id for command in commands.after(0, limit=2)] == ids[:2]


def test_a_reader_that_found_nothing_sees_what_comes_later(commands, tmp_path):
    commands.append("resume", {"destination": "crm"}, who="alice", now=1)
    assert commands.after(1) == []

    CommandFile(tmp_path).append("resume", {"destination": "crm"}, who="bob", now=2)

    assert [command.who for command in commands.after(1)] == ["bob"]


def test_a_file_still_being_made_has_no_commands(commands, tmp_path):
    (tmp_path / "commands.sqlite").touch()

    assert commands.after(0) == []

    commands.append("resume", {"destination": "crm"}, who="alice", now=1)
    assert len(commands.after(0)) == 1


def test_commands_of_several_processes_at_once_are_all_recorded(commands, tmp_path):
    processes = [subprocess.Popen([sys.executable, "-c", APPEND, str(tmp_path), who]) for who in ("alice", "bob")]
    for process in processes:
        assert process.wait(30) == 0

    recorded = commands.after(0)
    assert [command.id for command in recorded] == list(range(1, 41))
    for who in ("alice", "bob"):
        said = [command.arguments["destination"] for command in recorded if command.who == who]
        assert said == [f"{who}-{n}" for n in range(20)]


def test_a_file_that_is_no_database_is_said_so(commands, tmp_path):
    (tmp_path / "commands.sqlite").write_bytes(b"x" * 4096)

    with pytest.raises(StoreError, match=r"commands in .*commands.sqlite cannot be read"):
        commands.after(0)
    with pytest.raises(StoreError, match=r"commands in .*commands.sqlite cannot be written"):
        commands.append("resume", {"destination": "crm"}, who="alice", now=1)


def test_a_missing_folder_is_said_so(tmp_path):
    with pytest.raises(StoreError, match="check that the folder exists"):
        CommandFile(tmp_path / "nowhere").append("resume", {"destination": "crm"}, who="alice", now=1)


def test_the_newest_commands_come_first(commands):
    ids = [commands.append("resume", {"destination": "crm"}, who="alice", now=n) for n in range(4)]

    assert [command.id for command in commands.newest(2)] == [ids[3], ids[2]]
    assert [command.id for command in commands.newest(2, ids[2])] == [ids[1], ids[0]]
