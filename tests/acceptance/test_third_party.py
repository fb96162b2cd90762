"""A stranger's plugins, as a package and as a file in a folder, with callrouter installed as it is shipped."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from router import __version__, samples
from tests.harness.daemon import LISTEN, Daemon
from tests.harness.recording import Recorder
from tests.harness.waiting import until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "callrouter-dovecote"
version = "2.1"
dependencies = ["callrouter", "requests>=2", "no-such-thing>=1"]

[project.entry-points."callrouter.plugins"]
dove = "callrouter_dovecote.dove:Dove"
ghost = "callrouter_dovecote.dove:Ghost"

[tool.setuptools]
packages = ["callrouter_dovecote"]
"""

DOVE = '''"""Tells {name} of calls."""

from router.plugin import Delivery, Plugin, Receipt, Secret, Settings, Template, setting


class {kind}Settings(Settings):
    """Keys of a destination."""

    url: str = setting("Where.", example="https://{name}.example.com")
    token: Secret = setting("The token.")
    text: Template = setting("What is said.", default=Template("{{{{ event.from | phone }}}}"))


class {kind}(Plugin[{kind}Settings]):
    """Remembers where it told of a call."""

    type = "{name}"
    Settings = {kind}Settings
    uses_receipts = True
    order = "call"

    def deliver(self, delivery: Delivery) -> Receipt | None:
        said = {{"text": delivery.render(self.settings.text), "after": (delivery.receipt or {{}}).get("key")}}
        headers = {{"X-Token": self.settings.token}}
        self.http.request("POST", f"{{self.settings.url}}/{name}", headers=headers, json=said)
        return {{"key": delivery.key}}
'''

CONFIG = """\
{listen}calls: {{settle: 100ms}}
plugins: {{folders: [loft]}}
sources: {{phone: {{}}}}
destinations:
  cote: {{type: dove, url: "{url}", token: s3cret-cote}}
  loft: {{type: pigeon, url: "{url}", token: s3cret-loft}}
always: [cote, loft]
unmatched: drop
alerts: none
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Sequence[str]:
    """Install callrouter and a stranger's package into a fresh environment, without a network; return its command.

    What the lock file has installed for these tests is lent to it; callrouter itself is not, it is built and installed.
    """
    here = tmp_path_factory.mktemp("stranger")
    fresh = here / "venv"
    venv.create(fresh, with_pip=False, symlinks=True)
    python = fresh / "bin" / "python"
    paths = sysconfig.get_paths(vars={"base": str(fresh), "platbase": str(fresh)})
    # A path alone: the .pth files in it, which lead to this checkout, are not followed.
    (Path(paths["purelib"]) / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")

    ours = here / "callrouter"
    for part in ("router", "plugins"):
        shutil.copytree(ROOT / part, ours / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, ours)
    theirs = here / "dovecote"
    (theirs / "callrouter_dovecote").mkdir(parents=True)
    (theirs / "pyproject.toml").write_text(PROJECT)
    (theirs / "callrouter_dovecote" / "__init__.py").touch()
    (theirs / "callrouter_dovecote" / "dove.py").write_text(DOVE.format(name="dove", kind="Dove"))

    installed = subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "install", "--no-index",
         "--no-deps", "--no-build-isolation", "--no-cache-dir", ours, theirs],
        cwd=here, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stdout + installed.stderr
    # The daemon of a test finds the checkout by PYTHONPATH.
    return (shutil.which("env") or "env", "-u", "PYTHONPATH", str(fresh / "bin" / "callrouter"))


@pytest.fixture
def recorder():
    with Recorder() as server:
        yield server


@pytest.fixture
def daemon(program, tmp_path, recorder) -> Daemon:
    (tmp_path / "loft").mkdir()
    pigeon = '__version__ = "0.3"\n' + DOVE.format(name="pigeon", kind="Pigeon")
    (tmp_path / "loft" / "pigeon.py").write_text(pigeon)
    config = CONFIG.format(listen=LISTEN, url=recorder.url.rstrip("/"))
    return Daemon(tmp_path, config, program=program)


def test_what_runs_is_what_was_installed(program):
    *without_path, command = program
    asked = [*without_path, str(Path(command).with_name("python")), "-c", "import router; print(router.__file__)"]

    said = subprocess.run(asked, cwd="/", capture_output=True, text=True, check=True).stdout

    assert Path(said.strip()).is_relative_to(Path(command).parents[1])


def test_a_package_and_a_file_are_listed_with_where_they_are_from(daemon):
    listed = daemon.run("plugins", "--json")

    document = json.loads(listed.out)
    found = {one["type"]: one for one in document["plugins"]}
    assert (found["dove"]["from"], found["dove"]["version"]) == ("callrouter-dovecote 2.1", "2.1")
    needs = {need["requirement"]: need["installed"] is not None for need in found["dove"]["needs"]}
    assert needs == {"requests>=2": True, "no-such-thing>=1": False}
    assert (found["pigeon"]["from"], found["pigeon"]["version"]) == (f"{daemon.folder}/loft/pigeon.py", "0.3")
    assert (found["slack"]["from"], found["slack"]["version"]) == ("bundled", __version__)
    # The package names one more, which is not there: a sentence, and everything else works.
    assert listed.code == 3
    assert "update the package callrouter-dovecote, or remove it" in document["broken"][
        "callrouter_dovecote.dove:Ghost (callrouter-dovecote 2.1)"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["dove", "pigeon"])
def test_both_keep_the_contract(daemon, name):
    checked = daemon.run("plugins", "check", name)

    assert checked.code == 0, checked.out + checked.err
    assert "\nok  no secret comes to light" in checked.out


def test_a_new_plugin_is_written_by_what_is_installed(daemon):
    written = daemon.run("plugins", "new", "magpie")

    assert written.code == 0, written.err
    assert daemon.run("plugins", "check", "magpie").code == 0


def test_events_go_through_both(daemon, recorder):
    body = json.dumps(samples.play("missed", started_at=1.7e9)[-1].event).encode()
    checked = daemon.run("check")
    assert checked.code == 0, checked.err
    assert "callrouter_dovecote.dove:Ghost (callrouter-dovecote 2.1) cannot be used" in checked.err

    tried = daemon.run("try", "cote")
    assert (tried.code, "s3cret" in tried.out) == (0, False), tried.out + tried.err
    assert [request.path for request in recorder.requests] == ["/dove"]

    with daemon:
        assert daemon.post(body, "phone").status == 200
        until(lambda: len(recorder.requests) == 3, what="both were told")

    told = {request.path: request for request in recorder.requests[1:]}
    assert {path: request.headers["x-token"] for path, request in told.items()} == {
        "/dove": "s3cret-cote",
        "/pigeon": "s3cret-loft",
    }
    assert told["/dove"].json() == {"text": "+44 7700 900123", "after": None}
