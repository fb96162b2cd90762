"""Configurations in a folder of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.config import Config, load
from router.reload.link import Link

TEXT = """\
listen: 127.0.0.1:{port}
sources: {{wavix: {{}}}}
destinations:
  crm: {{type: http, url: "https://{host}.example"}}
always: [crm]
unmatched: drop
alerts: none
"""

Write = Callable[..., Config]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes config.yaml and returns what it says."""

    def write(host: str = "one", *, port: int = 8080, **replaced: str) -> Config:
        text = TEXT.format(host=host, port=port)
        for old, new in replaced.items():
            text = text.replace(old, new)
        (tmp_path / "config.yaml").write_text(text)
        return load(tmp_path / "config.yaml")

    return write


@pytest.fixture
def pair() -> Iterator[Callable[[], tuple[Link, Link]]]:
    """Makes links, and closes what a test left open."""
    made: list[Link] = []

    def make() -> tuple[Link, Link]:
        ends = Link.pair()
        made.extend(ends)
        return ends

    yield make
    for link in made:
        link.close()
