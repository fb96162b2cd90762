"""The first steps: a configuration to start from, and the plugins there are."""

from __future__ import annotations

from pathlib import Path

import pytest

import router.cli
from router.config import load

SHIPPED = Path(__file__).parents[2] / "config.yaml"


def test_the_starter_is_the_shipped_configuration():
    starter = Path(router.cli.__file__).with_name("starter.yaml")

    assert starter.read_bytes() == SHIPPED.read_bytes()


def test_the_shipped_configuration_is_right_and_needs_no_account():
    config = load(SHIPPED, {})

    assert config.warnings == ()
    assert [one.name for one in config.destinations.values() if one.disabled] == ["slack"]


def test_init_writes_the_starter_and_says_what_to_do_next(run, folder):
    ran = run("init", "calls")

    assert ran.code == 0
    assert ran.out == "calls/config.yaml\n"
    assert (folder / "calls" / "config.yaml").read_bytes() == SHIPPED.read_bytes()
    assert "data/" in (folder / "calls" / ".gitignore").read_text().splitlines()
    assert "cd calls" in ran.err
    assert "callrouter send --sample missed" in ran.err


@pytest.mark.parametrize("existing", ["config.yaml", ".gitignore"])
def test_init_overwrites_nothing(run, folder, existing):
    (folder / existing).write_text("mine")

    run("init")

    assert (folder / existing).read_text() == "mine"


def test_init_beside_a_configuration_is_refused(run, folder):
    (folder / "config.yaml").write_text("mine")

    ran = run("init")

    assert (ran.code, ran.out) == (2, "")
    assert "config.yaml exists" in ran.err


def test_plugins_are_listed_with_what_they_do(run, folder):
    ran = run("plugins")

    assert ran.code == 0
    listed = {line.split()[0] for line in ran.out.splitlines()[1:]}
    assert {"http", "slack", "file", "console"} <= listed


def test_one_plugin_is_shown_with_its_settings(run, folder):
    ran = run("plugins", "http")

    assert ran.code == 0
    assert "url" in ran.out
    assert "required" in ran.out


def test_plugins_are_there_for_scripts(run, folder):
    (document,) = run("plugins", "http", "--json").json

    (http,) = document["plugins"]
    assert next(setting for setting in http["settings"] if setting["name"] == "url")["required"]


def test_a_plugin_that_is_not_there_is_answered_with_no(run, folder):
    ran = run("plugins", "pigeon")

    assert (ran.code, ran.out) == (3, "")
    assert "slack" in ran.err


def test_a_broken_plugin_is_told_with_its_reason(run, folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "broken.py").write_text("import no_such_module\n")

    ran = run("plugins", "--folder", "mine")

    assert ran.code == 3
    assert "broken.py" in ran.err
    assert "no_such_module" in ran.err
