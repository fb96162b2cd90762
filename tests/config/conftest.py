"""Writes configurations and loads them with the two test plugins."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from router.config import Config, load
from router.errors import ConfigError
from tests.config.plugins import REGISTRY
from tests.harness.authority import Authority

#: A whole configuration in few words; tests put their own lines in front.
REST = """
sources: {wavix: {}}
destinations: {crm: {type: web, url: "https://crm.example"}}
always: [crm]
unmatched: drop
alerts: none
"""

Write = Callable[..., Config]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if not shutil.which("openssl"):
        pytest.skip("the openssl program makes the certificates")
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def config(tmp_path: Path) -> Write:
    def loaded(text: str, environ: Mapping[str, str] | None = None) -> Config:
        """Return what *text* says; keys it does not have come from REST."""
        keys = {line.split(":")[0] for line in text.splitlines() if line[:1].isalpha()}
        rest = "".join(f"{line}\n" for line in REST.splitlines() if line.split(":")[0] not in keys)
        path = tmp_path / "config.yaml"
        path.write_text(text + "\n" + rest, encoding="utf-8")
        return load(path, environ or {}, registry=REGISTRY)

    return loaded


@pytest.fixture
def mistakes(config: Write) -> Callable[..., list[str]]:
    def told(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        """Return everything that is wrong with *text*, without the file's name."""
        with pytest.raises(ConfigError) as caught:
            config(text, environ)
        return [str(problem).removeprefix(f"{problem.file}:") for problem in caught.value.problems]

    return told
