"""The schema on the command line, and beside a new configuration."""

from __future__ import annotations

import json

from tests.manual import ROOT


def test_it_prints_what_is_kept_beside_the_shipped_configuration(run):
    ran = run("schema")

    assert ran.code == 0
    assert ran.out == (ROOT / ".callrouter" / "schema.json").read_text(encoding="utf-8")


def test_plugins_of_a_folder_are_part_of_it(run, folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "pager.py").write_text(
        "from router.plugin import Plugin, Settings, setting\n"
        "class PagerSettings(Settings):\n    number: str = setting('Whom to page.')\n"
        "class Pager(Plugin[PagerSettings]):\n    type = 'pager'\n    Settings = PagerSettings\n"
        "    def deliver(self, delivery): ...\n"
    )

    made = json.loads(run("schema", "--folder", "mine").out)

    assert made["definitions"]["to-pager"]["properties"]["number"]["description"] == "Whom to page."


def test_init_writes_what_the_first_line_names(run, folder):
    run("init")
    first = (folder / "config.yaml").read_text().splitlines()[0]

    named = folder / first.partition("$schema=")[2]

    assert "definitions" in json.loads(named.read_text())
