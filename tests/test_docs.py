"""The manual is true: its blocks load, its examples route as they say, its links lead somewhere."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from router import cli, proving
from tests import manual, played
from tests.manual import PAGES, ROOT, Block

#: What the manual calls something else; headings are where a wrong word spreads from.
SYNONYMS = {"message", "messages", "job", "jobs", "queue", "task", "tasks", "target", "targets", "hook", "hooks",
            "channel", "channels", "endpoint", "endpoints"}  # fmt: skip

CONFIGS = [block for block in manual.blocks("yaml") if block.ours]
EXAMPLES = [block for block in CONFIGS if block.table]


@pytest.mark.parametrize("block", CONFIGS, ids=str)
def test_every_configuration_in_the_manual_loads_without_a_warning(block: Block, tmp_path: Path) -> None:
    for path, text in manual.files(block.page).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")

    assert played.load(block.text, tmp_path).warnings == ()


@pytest.mark.parametrize("block", EXAMPLES, ids=str)
def test_every_example_routes_as_its_table_says(block: Block, tmp_path: Path) -> None:
    config = played.load(block.text, tmp_path)
    head, *rows = block.table

    assert head == ("call", "destinations")
    assert [(call, played.destinations(config, call)) for call, _ in rows] == rows


def test_no_page_has_a_yaml_block_of_a_kind_that_is_never_tested() -> None:
    assert {block.language for block in manual.blocks("yml")} == set()
    for block in manual.blocks("yaml"):
        assert isinstance(yaml.safe_load(block.text), dict), block


@pytest.mark.parametrize("page", PAGES, ids=manual.named)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in manual.links(page):
        address = urlsplit(link)
        if address.scheme:
            continue
        to = (page.parent / unquote(address.path)).resolve() if address.path else page
        if not to.exists() or (address.fragment and address.fragment not in manual.anchors(to)):
            broken.append(link)

    assert broken == []


def test_every_page_of_the_manual_is_reachable_from_its_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / urlsplit(link).path).resolve() for link in manual.links(index)}

    assert [manual.named(page) for page in PAGES[1:] if page not in linked | {index}] == []


# A plugin's page speaks of the other side in its own words: Slack has messages in channels.
@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "plugins"], ids=manual.named)
def test_a_heading_uses_our_words(page: Path) -> None:
    words = {word for heading in manual.headings(page) for word in re.findall(r"[a-z]+", heading.lower())}

    assert words & SYNONYMS == set()


@pytest.mark.parametrize("page", PAGES, ids=manual.named)
def test_a_table_has_as_many_cells_in_every_row(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    uneven = []
    for above, line in itertools.pairwise(lines):
        cells = [len(re.findall(r"(?<!\\)\|", one)) for one in (above, line)]
        if above.startswith("|") and line.startswith("|") and cells[0] != cells[1]:
            uneven.append(line)

    assert uneven == []


@pytest.mark.parametrize("page", PAGES, ids=manual.named)
def test_every_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    said = "\n".join([*manual.spans(page), *manual.fences(page)])
    unknown = []
    for name, rest in re.findall(r"(?:^|bin/|&& )callrouter ([a-z][a-z-]*)(.*)", said, re.MULTILINE):
        command = cli.commands.get_command(None, name)  # type: ignore[arg-type]  # it never looks at the context
        if command is None:
            unknown.append(name)
            continue
        parts = [command, *getattr(command, "commands", {}).values()]
        parameters = [parameter for part in parts for parameter in part.params]
        known = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
        unknown += [
            f"{name} {option}" for option in re.findall(r"(--[a-z-]+)", rest) if option not in known | {"--help"}
        ]

    assert unknown == []


def test_every_test_that_the_manual_names_exists() -> None:
    named = {span for page in PAGES for span in manual.spans(page) if span.startswith("test_")}
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))

    assert [name for name in sorted(named) if f"def {name}(" not in tests] == []


def test_the_generated_parts_are_what_the_code_says() -> None:
    # A process of its own: prometheus-client looks at its surroundings once.
    command = [sys.executable, "-m", "tests.generate_docs", "--check"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert (checked.stderr, checked.returncode) == ("", 0)


@pytest.mark.parametrize("block", [block for block in CONFIGS if "\ntests:" in block.text], ids=str)
def test_every_test_in_a_configuration_of_the_manual_passes(block: Block, tmp_path: Path) -> None:
    verdicts = proving.run(played.load(block.text, tmp_path))

    assert verdicts
    assert [verdict for verdict in verdicts if not verdict.passed] == []
