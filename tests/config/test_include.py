"""Several files as one configuration: what they add up to, and whose each mistake is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.config import Config, load
from router.errors import ConfigError
from tests.config.plugins import REGISTRY

MAIN = """
include: [teams/, vip.yaml]
sources: {wavix: {}}
destinations: {crm: {type: web, url: "https://crm.example"}}
rules:
  - {name: first, when: {tag: a}, send: [crm]}
always: [crm]
unmatched: drop
alerts: none
"""
SALES = """
destinations: {sales: {type: web, url: "${file:address}", description: "of the team"}}
lists: {lines: ["+442071234567"]}
rules:
  - {name: sales, when: {to_number: {in: lines}}, send: [sales]}
"""
SUPPORT = "rules:\n  - {name: support, when: {tag: b}, send: [crm, sales]}\n"
VIP = "lists: {vip: {file: vip.txt}}\nrules:\n  - {name: vip, when: {customer_number: {in: vip}}, send: crm}\n"


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(**files: str) -> Path:
        contents = {
            "config.yaml": MAIN, "teams/sales.yaml": SALES, "teams/support.yml": SUPPORT, "vip.yaml": VIP,
            "vip.txt": "+442079460958 # Ada\n", "address": "https://sales.example", "teams/notes.txt": "no: yaml",
        }  # fmt: skip
        for name, content in (contents | files).items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        return tmp_path / "config.yaml"

    return write


def loaded(path: Path, **options: Any) -> Config:
    return load(path, {}, registry=REGISTRY, **options)


def mistakes(path: Path) -> list[tuple[str, str | None]]:
    with pytest.raises(ConfigError) as caught:
        loaded(path)
    return [(problem.text, problem.hint) for problem in caught.value.problems]


@pytest.mark.parametrize("entry", ["config.yaml", "./teams/../config.yaml", "."])
def test_a_configuration_that_includes_itself_is_told_so_and_nothing_else(written: Any, entry: str) -> None:
    path = written(**{"config.yaml": MAIN.replace("teams/, vip.yaml", entry), "vip.yaml": ""})

    hint = "name a file, or a folder that it is not in"
    assert mistakes(path) == [('"config.yaml" would include itself', hint)]


def test_a_file_that_is_named_beside_its_folder_is_told_once(written: Any) -> None:
    path = written(**{"config.yaml": MAIN.replace("vip.yaml", "teams/sales.yaml, vip.yaml")})

    assert mistakes(path) == [('"sales.yaml" is included twice', "name it, or the folder that it is in, once")]


def test_an_included_file_cannot_include_others(written: Any) -> None:
    path = written(**{"vip.yaml": f"include: [config.yaml]\n{VIP}"})

    hint = "name all files in the first one"
    assert mistakes(path) == [("an included file cannot include others", hint)]


def test_rules_go_on_in_the_order_of_the_files(written: Any) -> None:
    config = loaded(written())

    assert [rule.name for rule in config.routes.rules] == ["first", "sales", "support", "vip"]
    assert list(config.destinations) == ["crm", "sales"]
    assert config.routes.decide({"customer_number": "+442079460958"}).rules == ("vip",)


def test_an_empty_file_of_a_team_is_no_mistake(written: Any) -> None:
    assert loaded(written(**{"teams/new.yaml": "# nothing yet\n"})).warnings == ()


@pytest.mark.parametrize("file", ["teams/sales.yaml", "vip.yaml", "vip.txt"])
def test_the_version_changes_with_every_file_that_is_read(written: Any, file: str) -> None:
    path = written()
    before = loaded(path).version
    with (path.parent / file).open("a") as content:
        content.write("# changed\n")

    assert loaded(path).version != before


def test_the_version_says_nothing_of_a_secret_in_a_file(written: Any) -> None:
    path = written()
    before = loaded(path)
    (path.parent / "address").write_text("https://other.example")
    after = loaded(path)

    assert after.version == before.version
    assert after.destinations["sales"].fingerprint != before.destinations["sales"].fingerprint


def test_all_files_are_read_again_from_the_snapshot(written: Any) -> None:
    path = written()
    first = loaded(path)
    for name in ("teams/sales.yaml", "teams/support.yml", "vip.yaml", "vip.txt", "address"):
        (path.parent / name).unlink()

    again = loaded(path, snapshot=first.snapshot)

    assert [rule.name for rule in again.routes.rules] == [rule.name for rule in first.routes.rules]
    assert again.version == first.version


def test_a_mistake_is_told_with_the_file_it_is_in(written: Any) -> None:
    path = written(**{"vip.yaml": VIP.replace("customer_number", "custmer_number")})

    with pytest.raises(ConfigError) as caught:
        loaded(path)

    [problem] = caught.value.problems
    assert (Path(problem.file), problem.line, problem.column) == (path.parent / "vip.yaml", 3, 24)
    assert "custmer_number" in (problem.excerpt or "")


def test_a_syntax_error_in_one_file_does_not_hide_the_mistakes_of_another(written: Any) -> None:
    path = written(**{"teams/sales.yaml": "rules: [", "vip.yaml": VIP.replace("send: crm", "send: crmm")})

    with pytest.raises(ConfigError) as caught:
        loaded(path)

    assert {Path(problem.file).name for problem in caught.value.problems} >= {"sales.yaml", "vip.yaml"}


def test_an_empty_folder_is_a_doubt(written: Any) -> None:
    path = written(**{"empty/.hidden.yaml": "rules: []", "config.yaml": MAIN.replace("[teams/, vip.yaml]", "empty")})

    [warning] = loaded(path).warnings

    assert "no *.yaml in the folder" in warning.text
