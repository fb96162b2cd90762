"""The files of one configuration, read once and read again from memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config import load
from router.config.files import Files, TooLarge
from tests.config.plugins import REGISTRY

CONFIG = """
sources: {wavix: {auth: {token: "${file:token}"}}}
destinations: {crm: {type: web, url: "https://crm.example"}}
always: [crm]
unmatched: drop
alerts: none
"""


def test_a_configuration_is_read_again_from_its_snapshot_whatever_became_of_the_files(tmp_path: Path) -> None:
    path, token = tmp_path / "config.yaml", tmp_path / "token"
    path.write_text(CONFIG)
    token.write_text("sesame\n")
    first = load(path, {}, registry=REGISTRY)
    path.write_text("no: configuration")
    token.unlink()

    again = load(path, {}, registry=REGISTRY, snapshot=first.snapshot)

    assert again.version == first.version
    assert again.sources == first.sources


def test_a_snapshot_shows_nothing_of_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "token").write_text("sesame")

    assert "sesame" not in repr(load(tmp_path / "config.yaml", {}, registry=REGISTRY).snapshot)


def test_a_file_is_read_once(tmp_path: Path) -> None:
    files, path = Files(), tmp_path / "list.txt"
    path.write_text("before")
    assert files.content(path, 100) == b"before"
    path.write_text("after")

    assert files.content(path, 100) == b"before"


def test_a_file_beyond_its_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("x" * 101)

    with pytest.raises(TooLarge):
        Files().content(tmp_path / "list.txt", 100)


def test_the_version_follows_every_file_but_those_with_secrets(tmp_path: Path) -> None:
    def version(**contents: str) -> str:
        files = Files()
        for name, content in contents.items():
            (tmp_path / name).write_text(content)
            files.content(tmp_path / name, 100, secret=name == "token")
        return files.version

    first = version(config="a", holidays="b", token="c")

    assert version(config="a", holidays="b", token="d") == first
    assert len({first, version(config="a", holidays="x"), version(config="x", holidays="b"), version(config="a")}) == 4


def test_a_secret_in_a_file_leaves_no_trace_in_the_version(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    versions = set()
    for token in ("sesame", "mellon"):
        (tmp_path / "token").write_text(token)
        versions.add(load(tmp_path / "config.yaml", {}, registry=REGISTRY).version)

    assert len(versions) == 1
