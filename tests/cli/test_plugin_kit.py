"""What authors of plugins type: a new plugin that works at once, the contract point by point, and what there is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import router
from router.config import load
from router.registry import discover

ROOT = Path(router.__file__).parents[1]
CONFIG = """\
plugins: {{folders: [{folders}]}}
sources: {{phone: {{}}}}
destinations:
  pigeon: {{type: pigeon, url: "http://127.0.0.1:9/loft", text: "coo"}}
always: [pigeon]
unmatched: drop
alerts: none
"""
SAYS_IT = """
from router.plugin import Plugin, Secret, Settings, TemporaryFailure, setting

class Keys(Settings):
    token: Secret = setting("The token.")
    size: int = setting("How many.", example="3")

class Leaky(Plugin[Keys]):
    type = "leaky"
    Settings = Keys

    def deliver(self, delivery):
        self.http.request("POST", "https://x.example", json=self.settings.size)
        print(self.settings.token.reveal())
"""


@pytest.fixture
def pigeon(run, folder):
    ran = run("plugins", "new", "pigeon")
    assert ran.code == 0, ran.err
    return ran


def test_a_new_plugin_is_written_with_its_test_and_its_page_and_it_is_said_what_to_do(pigeon):
    assert pigeon.out.splitlines() == ["my_plugins/pigeon.py", "my_plugins/test_pigeon.py", "my_plugins/pigeon.md"]
    for said in (
        "plugins: {folders: [my_plugins]}",
        'pigeon: {type: pigeon, url: "${PIGEON_URL}", optional: true}',
        "-m pytest my_plugins/test_pigeon.py",
        "callrouter plugins check pigeon",
        "callrouter try pigeon",
    ):
        assert said in pigeon.err


def test_the_test_of_a_new_plugin_passes_at_once(pigeon, folder):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "my_plugins/test_pigeon.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_a_new_plugin_keeps_the_contract_and_is_documented(pigeon, run, folder):
    ran = run("plugins", "--folder", "my_plugins", "check", "pigeon")

    assert ran.code == 0, ran.out
    assert ran.out.startswith("pigeon (my_plugins/pigeon.py, version 0.1.0)\n")
    assert re.search(r"^Of (\d+) points \1 hold\.$", ran.out, re.MULTILINE)
    (folder / "my_plugins" / "pigeon.md").write_text("# pigeon\n")
    assert "does not name the setting `url`" in run("plugins", "check", "pigeon", "--folder", "my_plugins").out


def test_what_a_new_plugin_prints_to_add_makes_a_configuration_that_is_right(pigeon, folder):
    yaml_said = pigeon.err.partition("of a rule:\n")[2].partition("Then:")[0]
    rest = {"sources": {"phone": {}}, "always": ["pigeon"], "unmatched": "drop", "alerts": "none"}
    (folder / "config.yaml").write_text(yaml.safe_dump({**yaml.safe_load(yaml_said), **rest}))

    config = load(folder / "config.yaml", {"PIGEON_URL": "https://pigeon.example/loft"})

    assert config.destinations["pigeon"].disabled is None
    page = (folder / "my_plugins" / "pigeon.md").read_text()
    assert yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])["plugins"] == {"folders": ["my_plugins"]}


def test_a_new_plugin_goes_where_the_configuration_looks(run, folder):
    (folder / "birds").mkdir()
    (folder / "config.yaml").write_text(CONFIG.format(folders="birds"))

    ran = run("plugins", "new", "pigeon")

    assert ran.out.splitlines()[0] == f"{folder}/birds/pigeon.py"
    assert "plugins:" not in ran.err.partition("Then:")[0]
    assert run("check").code == 0
    assert run("plugins", "check", "pigeon").code == 0
    assert run("plugins", "pigeon").code == 0
    assert "callrouter try" in ran.err
    tried = run("try", "pigeon")
    assert (tried.code, '"text": "coo"' in tried.out) == (3, True)


@pytest.mark.parametrize("existing", ["pigeon.py", "test_pigeon.py", "pigeon.md"])
def test_nothing_is_overwritten(run, folder, existing):
    (folder / "birds").mkdir()
    (folder / "birds" / existing).write_text('"""mine"""')

    ran = run("plugins", "new", "pigeon", "--folder", "birds")

    assert (ran.code, ran.out) == (2, "")
    assert f"birds/{existing} exists and was left as it is" in ran.err
    assert [(path.name, path.read_text()) for path in (folder / "birds").iterdir()] == [(existing, '"""mine"""')]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("slack", 'There is a plugin called "slack" (bundled)'),
        ("My-Loft", '"my_loft" would do'),
        ("9lives", '"lives" would do'),
        ("class", "no word of Python's own"),
        ("../x", "write lower-case letters"),
        ("json", "Python has a module of that name"),
        ("check", "callrouter plugins check means something else"),
        ("dove", 'There is a plugin called "dove"'),
    ],
)
def test_a_name_that_cannot_be_a_plugins_is_refused(run, folder, name, why):
    (folder / "config.yaml").write_text(CONFIG.format(folders="birds"))
    (folder / "birds").mkdir()
    (folder / "birds" / "other.py").write_text(SAYS_IT.replace('"leaky"', '"dove"'))

    ran = run("plugins", "new", name)

    assert (ran.code, ran.out) == (2, "")
    assert why in ran.err
    assert [path.name for path in (folder / "birds").glob("*.py")] == ["other.py"]


def test_a_folder_that_cannot_be_written_is_named(run, folder):
    (folder / "file").write_text("")

    ran = run("plugins", "new", "pigeon", "--folder", "file/birds")

    assert (ran.code, ran.out) == (1, "")
    assert "file/birds cannot be written: Not a directory" in ran.err


@pytest.mark.parametrize("name", sorted(discover().plugins))
def test_every_bundled_plugin_passes_its_check(run, folder, name):
    ran = run("plugins", "check", name)

    assert ran.code == 0, ran.out
    assert "no  " not in ran.out
    assert list(folder.iterdir()) == []


def test_what_does_not_hold_is_said_with_what_to_do(run, folder):
    (folder / "leaky.py").write_text(SAYS_IT)

    ran = run("plugins", "check", "leaky", "--folder", ".")

    assert ran.code == 3
    assert "no  no secret comes to light" in ran.out
    assert "      it brought a secret to light: a call_ended event" in ran.out
    assert "      → Declare it as Secret" in ran.out
    assert "no  it is documented" in ran.out
    assert re.search(r"^Of \d+ points \d+ hold, 2 do not\.$", ran.out, re.MULTILINE)
    assert "s3cret" not in ran.out


def test_settings_that_cannot_be_guessed_are_given(run, folder):
    wants = SAYS_IT.replace('"How many.", example="3"', '"How many.", default=1').replace(
        "class Leaky", "from pydantic import field_validator\nclass Leaky"
    )
    (folder / "leaky.py").write_text(wants.replace('size: int = setting("How many."', 'size: int = setting("Any."'))

    ran = run("plugins", "check", "leaky", "--folder", ".", "--set", "size=many", "--json")
    (document,) = ran.json
    found = {finding["name"]: finding for finding in document["findings"]}

    assert (ran.code, document["holds"]) == (3, False)
    assert "the settings given are refused: size: " in found["events"]["problems"][0]
    assert run("plugins", "check", "leaky", "--folder", ".", "--set", "size").code == 2
    assert "settings given" not in run("plugins", "check", "leaky", "--folder", ".", "--set", "size=7").out


def test_scripts_get_the_findings_in_one_document(run, folder):
    (document,) = run("plugins", "check", "http", "--json").json

    assert (document["type"], document["holds"], document["version"]) == ("http", True, router.__version__)
    assert {finding["name"] for finding in document["findings"]} >= {"secrets", "hostile", "time", "receipts"}
    assert all(finding["holds"] and finding["todo"] is None for finding in document["findings"])


@pytest.mark.parametrize("arguments", [["show", "htp"], ["htp"], ["check", "htp"]])
def test_a_plugin_that_is_not_there_is_answered_with_the_nearest_name(run, folder, arguments):
    ran = run("plugins", *arguments)

    assert (ran.code, ran.out) == (3, "")
    assert 'did you mean "http"?' in ran.err


def test_one_that_cannot_be_used_is_answered_with_the_reason_in_a_sentence(run, folder):
    (folder / "bad.py").write_text("\n\nimport no_such_module\n")

    for ran in (run("plugins", "check", "bad", "--folder", "."), run("plugins", "--folder", ".")):
        assert ran.code == 3
        assert "bad.py cannot be used: it cannot be imported: ModuleNotFoundError" in ran.err
        assert "(line 3); install it where callrouter is." in ran.err
        assert "Traceback" not in ran.err


def test_two_of_one_name_are_both_named(run, folder):
    (folder / "one.py").write_text(SAYS_IT)
    (folder / "two.py").write_text(SAYS_IT)

    ran = run("plugins", "--folder", ".")

    assert ran.code == 3
    assert 'one.py cannot be used: type "leaky" is also the type of two.py; neither is used' in ran.err
    assert 'two.py cannot be used: type "leaky" is also the type of one.py; neither is used' in ran.err
    assert run("plugins", "new", "leaky", "--folder", ".").code == 2


def test_a_configuration_that_cannot_be_read_hides_no_other_plugin(run, folder):
    (folder / "config.yaml").write_text("a: [")

    ran = run("plugins")
    asked_for = run("plugins", "--config", "config.yaml")

    assert ran.code == 0
    assert "config.yaml cannot be read" in ran.err
    assert "slack" in ran.out
    assert (asked_for.code, asked_for.out) == (2, "")
    assert run("plugins", "--config", "gone.yaml").code == 2


def test_a_listing_says_where_each_is_from_its_version_and_what_it_needs(run, folder):
    (folder / "birds").mkdir()
    (folder / "birds" / "leaky.py").write_text('"""Tells the birds."""\n__version__ = "7.1"\n' + SAYS_IT)
    (folder / "config.yaml").write_text(CONFIG.format(folders="birds"))

    ran = run("plugins")
    (document,) = run("plugins", "--json").json
    listed = {one["type"]: one for one in document["plugins"]}

    (line,) = [line for line in ran.out.splitlines() if line.startswith("leaky")]
    assert line.split("  ")[1].strip() == "" or "Tells the birds." in line
    assert line.split()[-1] == "7.1"
    assert (listed["leaky"]["from"], listed["leaky"]["version"]) == (f"{folder}/birds/leaky.py", "7.1")
    assert listed["slack"]["version"] == router.__version__
    assert listed["apprise"]["extra"] == "apprise"
    assert listed["apprise"]["needs"][0]["requirement"].startswith("apprise")
    assert next(one for one in listed["http"]["settings"] if one["name"] == "url")["secret"] is True
    assert "extra apprise" in json.dumps(run("plugins", "apprise").out + ran.out)
