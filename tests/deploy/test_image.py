"""deploy/Dockerfile: its linter, and what it promises held against the project."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy.promised import DEPLOY, USER
from tests.harness.recording import Recorder, Reply
from tests.manual import ROOT

DOCKERFILE = DEPLOY / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def said(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def files(folder: Path) -> set[str]:
    found = (path for name in ("router", "plugins") for path in (folder / name).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found if "__pycache__" not in path.parts}


def copied() -> list[str]:
    return [one for rest in said("COPY") if not rest.startswith("--from") for one in rest.split()[:-1]]


def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    linter = shutil.which("hadolint", path=Path(sys.executable).parent)
    assert linter, "hadolint is not installed; make install-dev installs it"
    checked = subprocess.run([linter, str(DOCKERFILE)], capture_output=True, text=True, check=False, timeout=60)

    assert (checked.stdout, checked.returncode) == ("", 0)


def test_it_runs_as_a_number_that_is_not_root() -> None:
    assert said("USER") == [f"{USER}:{USER}"]


def test_its_python_is_one_that_callrouter_supports() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    least = re.search(r'requires-python = ">=3\.(\d+)"', project)
    images = {re.match(r"python:3\.(\d+)-slim", image) for image in said("FROM")}

    assert least
    assert all(image and int(image[1]) >= int(least[1]) for image in images)


def test_everything_that_it_installs_is_locked_by_its_hash() -> None:
    commands = [rest for rest in said("RUN") if "pip install" in rest]

    assert [("--require-hashes" in one) or ("--no-deps" in one and "--no-build-isolation" in one) for one in commands] \
        == [True, True]  # fmt: skip


def test_its_health_is_asked_where_both_configurations_listen() -> None:
    command = json.loads(said("HEALTHCHECK")[0].partition(" CMD ")[2])
    address = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", command[-1])

    assert address
    assert address[2] == "/healthz"
    for path in (DEPLOY / "config.yaml", DEPLOY / "kubernetes" / "config.yaml"):
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert text["admin"]["listen"] == f"0.0.0.0:{address[1]}"
        assert said("EXPOSE") == [f"{text['listen'].rpartition(':')[2]} {address[1]}"]


@pytest.mark.slow
def test_the_health_command_works_and_fails_as_it_should() -> None:
    command = json.loads(said("HEALTHCHECK")[0].partition(" CMD ")[2])
    codes = []
    for status in (200, 503):
        with Recorder(lambda _, status=status: Reply(status)) as probed:
            script = command[-1].replace("http://127.0.0.1:8081/", probed.url)
            codes.append(subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode)

    assert command[:2] == ["python", "-c"]
    assert codes == [0, 1]


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in ignore if line.startswith("!")}

    assert "*" in ignore
    assert {name for name in copied() if not (ROOT / name).exists()} == set()
    assert set(copied()) == let_in


@pytest.mark.slow
def test_what_is_copied_is_enough_to_install_all_of_callrouter(tmp_path: Path) -> None:
    source, image = tmp_path / "source", tmp_path / "image"
    source.mkdir()
    unwanted = shutil.ignore_patterns("__pycache__")
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, source / name)
    install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps",
               "--no-build-isolation", "--no-index", "--no-compile", "--target", str(image), "."]  # fmt: skip
    subprocess.run(install, cwd=source, check=True, timeout=120, capture_output=True)

    assert files(source) - files(image) == set()
