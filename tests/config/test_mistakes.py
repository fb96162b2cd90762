"""One file per mistake under tests/configs, with the text an operator sees beside it.

``http-….yaml`` is about the plugin of that name, all others about the two plugins made for these tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config import load, render
from router.errors import ConfigError
from router.registry import Registry, discover
from tests.config.plugins import REGISTRY

MISTAKES = Path(__file__).parent.parent / "configs"
ENVIRONMENT = {"TOKEN": "sesame", "EMPTY": ""}


def registry_of(name: str) -> Registry:
    """Return the plugins that the mistake called *name* is about."""
    return discover() if name.startswith("http-") else REGISTRY


def told(file: Path) -> str:
    """Return what is said of *file*, which stands in the current folder."""
    try:
        return render(load(file, ENVIRONMENT, registry=registry_of(file.name)).warnings)
    except ConfigError as ex:
        return render(ex.problems)


@pytest.mark.parametrize("name", sorted(path.stem for path in MISTAKES.glob("*.yaml")))
def test_a_mistake_is_told_with_its_place_and_what_to_write(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(MISTAKES)

    assert told(Path(f"{name}.yaml")) + "\n" == (MISTAKES / f"{name}.expected").read_text(encoding="utf-8")


def test_no_message_shows_a_secret() -> None:
    expected = "".join(path.read_text(encoding="utf-8") for path in MISTAKES.glob("*.expected"))

    assert "hunter2" not in expected
    assert "sesame" not in expected
