"""What every command promises: help, exit codes in it, errors on stderr, a fast start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import router
from router import __version__, samples
from router.cli import commands, options
from router.cli.send import SAMPLES
from router.store import State

NAMES = commands.list_commands(click.Context(commands))
EXPECTED = {
    "run", "serve", "work", "check", "explain", "send", "status", "events", "calls", "deliveries", "replay", "resume",
    "pause", "doctor", "give-up", "plugins", "init", "plan", "schema", "reload", "cancel", "silence", "drain", "try",
    "commands", "move",
}  # fmt: skip
READS_CONFIG = EXPECTED - {"plugins", "init", "schema"}
#: What must be given for a command to get as far as reading its configuration.
ARGUMENTS = {
    "plan": ["new.yaml"],
    "explain": ["-"],
    "send": ["-"],
    "pause": ["x"],
    "resume": ["x"],
    "give-up": ["x", "--yes"],
    "cancel": ["1"],
    "silence": ["list"],
    "try": ["x"],
    "move": ["--from", "sqlite:data"],
}


#: So that a checkout that is not installed is found from another folder.
ENVIRON = {**os.environ, "PYTHONPATH": str(Path(router.__file__).parents[1])}


def callrouter(*arguments: str, folder=None, **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "router", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=folder,
        env=ENVIRON,
        check=False,
        **more,
    )


def test_every_command_is_there():
    assert set(NAMES) == EXPECTED


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command(run, flag):
    ran = run(flag)

    assert ran.code == 0
    assert all(f"  {name} " in ran.out for name in NAMES)
    assert "..." not in ran.out.partition("Set up:")[2]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_that_names_its_exit_codes(run, name):
    ran = run(name, "--help")

    assert ran.code == 0
    assert ran.out.startswith(f"Usage: callrouter {name}")
    codes = ran.out.partition("Exit codes:")[2].split()
    assert {"0", "1", "2"} <= set(codes)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_and_argument_says_what_it_is_for(name):
    command = commands.get_command(click.Context(commands), name)

    assert all(one.help for one in command.params if isinstance(one, click.Option))
    assert all(one.human_readable_name.strip("[].").upper() in command.get_help(click.Context(command))
               for one in command.params if isinstance(one, click.Argument))  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused_on_stderr(run, name):
    ran = run(name, "--no-such-option")

    assert (ran.code, ran.out) == (2, "")
    assert "--no-such-option" in ran.err


@pytest.mark.parametrize("name", sorted(READS_CONFIG - {"run", "serve", "work"}))
def test_a_missing_configuration_is_said_on_stderr_with_what_to_do(run, folder, name):
    ran = run(name, *ARGUMENTS.get(name, []))

    assert (ran.code, ran.out) == (2, "")
    assert "config.yaml:1:1: there is no such file" in ran.err
    assert "callrouter init" in ran.err


def test_the_process_ends_with_the_code_of_the_command_and_no_traceback(folder):
    ran = callrouter("status", folder=folder)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("name", ["events", "calls", "deliveries", "replay", "silence"])
def test_asking_a_store_that_was_never_made_ends_with_the_code_of_the_store(run, config, name):
    ran = run(name, *ARGUMENTS.get(name, []))

    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith("callrouter: no store in ")


def test_version_is_the_version_of_the_package(run):
    assert run("--version").out == f"callrouter {__version__}\n"


def test_a_command_that_does_not_exist_is_a_wrong_command_line(run):
    ran = run("delete-everything")

    assert (ran.code, ran.out) == (2, "")


def test_a_misspelt_command_is_guessed(run):
    assert "No such command 'chek'. Did you mean 'check'?" in run("chek").err
    assert "No such command 'fax'.\n" in run("fax").err


def test_the_configuration_may_be_named_by_a_variable(run, config, folder, monkeypatch):
    (folder / "config.yaml").rename(folder / "other.yaml")
    monkeypatch.setenv("CALLROUTER_CONFIG", str(folder / "other.yaml"))

    assert run("check").code == 0


def test_a_reader_that_hangs_up_ends_a_listing_quietly(config, played):
    for _ in range(3):
        played.call("dtmf")
    process = subprocess.Popen(
        [sys.executable, "-m", "router", "events", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRON,
    )
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()

    assert (process.wait(30), err) == (0, b"")


def loaded(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    return {name.partition(".")[0] for name in ran.stdout.splitlines()[-1].split()}


def test_help_loads_nothing_that_only_commands_need():
    names = loaded("from router.cli import invoke; invoke(['--help']); invoke(['send', '--help'])")

    assert not names & {"rich", "pydantic", "sqlite3", "jinja2", "requests", "yaml", "phonenumbers", "tenacity"}


@pytest.mark.parametrize("name", ["run", "serve", "work"])
def test_the_daemon_does_not_carry_what_only_tables_need(name):
    names = loaded(f"from router.cli import invoke; invoke(['{name}', '--help'])")

    assert "rich" not in names


@pytest.mark.parametrize(
    ("spelled", "known"),
    [(options.STATES, [state.word for state in State]), (SAMPLES, samples.names())],
)
def test_what_help_lists_is_what_there_is(spelled, known):
    assert list(spelled) == list(known)
