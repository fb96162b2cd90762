"""The plugin in docs/writing-a-plugin.md works as the page says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from router.errors import AnswerLost, PermanentFailure
from router.plugin import Answer
from router.registry import discover
from router.testing import RecordingHttp, check_plugin, make_delivery

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "writing-a-plugin.md").read_text(encoding="utf-8")
PLUGIN, BULK, TESTS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SETTINGS = {"url": "https://tickets.example.com", "token": "s3cret"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my_plugins").mkdir()
    (tmp_path / "my_plugins" / "ticket.py").write_text(PLUGIN, encoding="utf-8")
    return tmp_path / "my_plugins"


def test_the_plugin_of_the_manual_is_found_and_keeps_the_contract(folder):
    found = discover([folder]).plugins["ticket"]

    assert check_plugin(found.plugin, SETTINGS) == []


def test_the_plugin_of_the_manual_that_takes_several_reads_what_is_said_of_each(folder):
    (folder / "bulk.py").write_text(BULK, encoding="utf-8")
    found = discover([folder]).plugins["bulk"].plugin

    def answer(request):
        said = [{"key": one["key"], "error": "no" if one["key"] == "b" else None} for one in request.json]
        return Answer(200, {}, json.dumps([one for one in said if one["key"] != "c"]).encode())

    batch = [make_delivery(key=key) for key in "abc"]
    results = found(found.Settings(url="https://s3cret.example"), RecordingHttp(answer)).deliver_many(batch)

    assert check_plugin(found, {"url": "https://s3cret.example"}, answer) == []
    assert [type(one) for one in results] == [type(None), PermanentFailure, AnswerLost]


def test_the_plugin_of_the_manual_closes_the_ticket_it_opened(folder):
    plugin = discover([folder]).plugins["ticket"].plugin
    http = RecordingHttp()

    receipt = plugin(plugin.Settings.model_validate(SETTINGS), http).deliver(
        make_delivery("call_corrected", receipt={"id": "7"}, call={"missed": False})
    )

    assert receipt == {"id": "7"}
    assert (http.requests[0].method, http.requests[0].json) == ("PATCH", {"state": "done"})


def test_the_tests_of_the_manual_pass(folder):
    (folder / "__init__.py").touch()
    (folder.parent / "test_ticket.py").write_text(TESTS, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", ".", "test_ticket.py"],
        cwd=folder.parent,
        env={"PYTHONPATH": f"{folder.parent}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "2 passed" in done.stdout, done.stdout
