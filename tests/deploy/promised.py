"""What several files of deploy/ must agree on, read from the project itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from router import config
from router.config import Config
from tests.manual import ROOT

DEPLOY = ROOT / "deploy"
#: The Dockerfile's user; no file says whose it is.
USER = 10001


def load(path: Path, folder: Path, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Config:
    """Load a configuration as a container does: its secrets in files, its node's name in NODE."""
    monkeypatch.setenv("NODE", "node-1")
    text = path.read_text(encoding="utf-8")
    for at, value in secrets.items():
        assert f"${{file:{at}}}" in text, f"nothing in {path.name} reads {at}"
        file = folder / at.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
        text = text.replace(f"${{file:{at}}}", f"${{file:{file}}}")
    assert "${file:/" not in text.replace(f"${{file:{folder}", ""), "a secret that nothing makes is asked for"
    (folder / "config.yaml").write_text(text)
    return config.load(folder / "config.yaml")
