"""docs/deployment.md: what it tells people to type fits the files in deploy/."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from router import config
from tests import manual
from tests.deploy.promised import DEPLOY
from tests.manual import ROOT

PAGE = ROOT / "docs" / "deployment.md"
TYPED = "\n".join(manual.fences(PAGE))


def test_every_file_of_the_project_that_it_names_exists() -> None:
    named = set(re.findall(r"(?<![\w/])deploy/[\w./-]+\w", PAGE.read_text(encoding="utf-8")))
    made = {name for name in named if name.startswith("deploy/secrets")}

    assert {name for name in named - made if not (ROOT / name).exists()} == set()


def test_the_configuration_that_it_installs_for_systemd_keeps_everything_in_the_state_directory(tmp_path: Path) -> None:
    line = next(line for line in TYPED.splitlines() if line.startswith("sed "))
    command, _, target = line.partition(" > ")
    made = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True, timeout=10).stdout
    (tmp_path / "config.yaml").write_text(made)

    loaded = config.load(tmp_path / "config.yaml")

    assert target == "/etc/callrouter/config.yaml"
    assert str(loaded.data) == "/var/lib/callrouter"
    assert re.findall(r"^\s+path: (.*)$", made, re.MULTILINE) == ["/var/lib/callrouter/archive.jsonl"]


def test_it_makes_the_secrets_that_compose_and_kubernetes_ask_for() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    secret = yaml.safe_load((DEPLOY / "kubernetes" / "secret.example.yaml").read_text(encoding="utf-8"))

    assert set(re.findall(r"deploy/secrets/([\w-]+)", TYPED)) == set(compose["secrets"])
    assert {f"./secrets/{name}" for name in compose["secrets"]} == {one["file"] for one in compose["secrets"].values()}
    assert set(re.findall(r"--from-file=([\w-]+)", TYPED)) == set(secret["stringData"])


def test_its_services_nodes_and_names_are_those_of_the_files() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))

    assert set(re.findall(r"(?:exec|--no-deps) (node-\d)", TYPED)) <= set(compose["services"])
    assert set(re.findall(r"statefulset/([\w-]+)", TYPED)) == {"callrouter"}


def test_the_times_in_its_table_are_those_of_the_files() -> None:
    times = {row[0]: row[1] for row in manual.tables(PAGE)["Numbers that belong together"]}
    stateful = yaml.safe_load((DEPLOY / "kubernetes" / "statefulset.yaml").read_text(encoding="utf-8"))
    pod = stateful["spec"]["template"]["spec"]
    unit = (DEPLOY / "callrouter.service").read_text(encoding="utf-8")
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))

    said = times["`TimeoutStopSec`, `stop_grace_period`"]
    assert said == re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[0] + " s"
    assert compose["services"]["node-1"]["stop_grace_period"] == said.replace(" ", "")
    assert times["`terminationGracePeriodSeconds`"] == f"{pod['terminationGracePeriodSeconds']} s"


def test_secrets_are_kept_out_of_git_and_out_of_the_image() -> None:
    let_in = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"]

    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert not [line for line in let_in if line.startswith("!deploy")]
