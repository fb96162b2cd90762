"""Where plugins are found, and what is said of those that cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import requests

import router
from router.registry import BUNDLED, Need, discover, in_file

PLUGIN = """
from router.plugin import Plugin, Settings

class Ours(Plugin[Settings]):
    type = "{type}"
    Settings = Settings

    def deliver(self, delivery):
        return None
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def test_the_bundled_plugins_are_found():
    registry = discover()

    assert {"console", "file", "http", "slack"} <= set(registry.plugins)
    assert registry.plugins["slack"].origin == "bundled"
    assert registry.broken == {}


def test_a_file_in_a_folder_is_a_plugin(folder):
    (folder / "zapier.py").write_text(PLUGIN.format(type="zapier"))

    registry = discover([folder])

    assert registry.plugins["zapier"].plugin.type == "zapier"
    assert registry.plugins["zapier"].origin == str(folder / "zapier.py")


def test_files_of_one_name_in_two_folders_are_two_plugins(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (folder / "crm.py").write_text(PLUGIN.format(type="one"))
    (other / "crm.py").write_text(PLUGIN.format(type="two"))

    assert {"one", "two"} <= set(discover([folder, other]).plugins)


def test_a_type_found_twice_is_nobodys(folder):
    (folder / "slack.py").write_text(PLUGIN.format(type="slack"))

    registry = discover([folder])

    assert "slack" not in registry.plugins
    assert set(registry.broken) == {"plugins.slack (bundled)", str(folder / "slack.py")}
    assert 'type "slack" is also the type of plugins.slack (bundled)' in registry.broken[str(folder / "slack.py")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_of_this_name", "it cannot be imported: ModuleNotFoundError"),
        ("def (:", "it cannot be imported: SyntaxError"),
        ("raise SystemExit(3)", "it cannot be imported: SystemExit: 3"),
        ("x = 1", "there is no plugin in it"),
        ("from plugins.slack import Slack", "there is no plugin in it"),
        (PLUGIN.format(type=""), "has no type"),
        (PLUGIN.format(type="x").replace("Settings = Settings", "Settings = dict"), "Settings is not a class derived"),
        (PLUGIN.format(type="x") + "    uses_receipts = True\n", 'its order must be "call"'),
    ],
)
def test_a_file_that_is_no_plugin_is_named_with_the_reason(folder, text, reason):
    (folder / "bad.py").write_text(text)
    (folder / "good.py").write_text(PLUGIN.format(type="good"))

    registry = discover([folder])

    assert reason in registry.broken[str(folder / "bad.py")]
    assert "good" in registry.plugins


def test_files_with_an_underscore_are_for_the_plugins_own_use(folder):
    (folder / "_parts.py").write_text("raise SystemExit")

    assert discover([folder]).broken == {}


def test_a_folder_that_is_not_there_is_named(tmp_path):
    assert discover([tmp_path / "gone"]).broken == {str(tmp_path / "gone"): "the folder does not exist"}


def test_an_installed_distribution_brings_plugins_by_entry_point(tmp_path, monkeypatch):
    (tmp_path / "acme_calls.py").write_text(PLUGIN.format(type="acme"))
    info = tmp_path / "acme_calls-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-calls\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[callrouter.plugins]\nacme = acme_calls:Ours\ngone = acme_calls:Gone\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    registry = discover()

    assert registry.plugins["acme"].origin == "acme-calls 1.2"
    assert "it cannot be imported: AttributeError" in registry.broken["acme_calls:Gone (acme-calls 1.2)"]
    assert "update the package acme-calls, or remove it" in registry.broken["acme_calls:Gone (acme-calls 1.2)"]


def test_what_a_package_needs_is_said_with_what_of_it_is_there(tmp_path, monkeypatch):
    (tmp_path / "acme_calls.py").write_text(PLUGIN.format(type="acme"))
    info = tmp_path / "acme_calls-1.2.dist-info"
    info.mkdir()
    needs = ("callrouter", "requests>=2", "nothing-of-this-name~=1.0", 'pytest>=8; extra == "test"')
    said = "".join(f"Requires-Dist: {need}\n" for need in needs)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-calls\nVersion: 1.2\n{said}")
    (info / "entry_points.txt").write_text("[callrouter.plugins]\nacme = acme_calls:Ours\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    found = discover().plugins["acme"]

    assert (found.version, found.extra) == ("1.2", None)
    assert found.needs == (Need("requests>=2", requests.__version__), Need("nothing-of-this-name~=1.0", None))


def test_a_bundled_plugin_has_our_version_and_the_extra_of_its_name(folder):
    plugins = discover().plugins

    assert plugins["slack"].version == plugins["apprise"].version == router.__version__
    assert (plugins["slack"].extra, plugins["apprise"].extra) == (None, "apprise")
    assert [need.requirement.startswith("apprise") for need in plugins["apprise"].needs] == [True]


def test_a_file_says_its_version_itself(folder):
    (folder / "one.py").write_text("__version__ = '3.1'\n" + PLUGIN.format(type="one"))
    (folder / "two.py").write_text(PLUGIN.format(type="two"))

    plugins = discover([folder]).plugins

    assert (plugins["one"].version, plugins["two"].version) == ("3.1", None)


def test_tests_may_stand_beside_their_plugins(folder):
    for name in ("test_ours", "ours_test", "conftest"):
        (folder / f"{name}.py").write_text("raise SystemExit")

    assert discover([folder]).broken == {}


def test_the_one_plugin_of_a_file_is_loaded(folder):
    (folder / "ours.py").write_text(PLUGIN.format(type="ours"))
    (folder / "none.py").write_text("x = 1")
    (folder / "two.py").write_text(PLUGIN.format(type="a") + PLUGIN.replace("Ours", "Theirs").format(type="b"))

    assert in_file(folder / "ours.py").type == "ours"
    with pytest.raises(ValueError, match="there is no plugin in it"):
        in_file(folder / "none.py")
    with pytest.raises(ValueError, match="there are several plugins in it"):
        in_file(folder / "two.py")


def test_another_package_called_plugins_is_not_taken_for_ours(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "__init__.py").touch()
    program = "from router.registry import discover; r = discover(); print(dict(r.plugins)); print(dict(r.broken))"

    said = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{tmp_path}:{BUNDLED.parent}"},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert said.startswith("{}\n")
    assert "another package called plugins hides the bundled plugins" in said
