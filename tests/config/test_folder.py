"""A daemon is found through its configuration, however wrong that is."""

from __future__ import annotations

import pytest

from router.config.folder import data_folder


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("store: sqlite:elsewhere\nunmatchd: drop\n", "elsewhere"),
        ("store: sqlite:${PLACE:-there}\n", "there"),
        ("unmatched: drop\nalerts: none\n", "data"),
        ("store: postgresql://db.example/calls\n", "data"),
        ("store: postgresql://db.example/calls\ndata: own\nunmatchd: drop\n", "own"),
        ("store: ${NO_SUCH_URL}\ndata: own\n", "own"),
        ("store: mysql:elsewhere\n", "data"),
        ("sources: [unclosed\n", "data"),
        ("", "data"),
    ],
)
def test_the_data_of_a_wrong_file_are_found(tmp_path, text, folder):
    (tmp_path / "config.yaml").write_text(text)

    assert data_folder(tmp_path / "config.yaml") == tmp_path / folder


def test_the_data_of_a_file_that_is_gone_are_in_the_usual_place(tmp_path):
    assert data_folder(tmp_path / "config.yaml") == tmp_path / "data"
