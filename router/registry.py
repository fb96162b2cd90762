"""Which plugins there are: the only code that knows where they are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from router.plugin import Plugin, Settings


@dataclass(frozen=True, slots=True)
class Found:
    """One plugin, with where it came from (``bundled``, a distribution with its version, or a file)."""

    plugin: type[Plugin[Settings]]
    origin: str


@dataclass(frozen=True, slots=True)
class Registry:
    """All plugins by their type; ``broken`` maps a place that could not be loaded to the reason."""

    plugins: Mapping[str, Found]
    broken: Mapping[str, str]


def discover(folders: Sequence[Path] = ()) -> Registry:
    """Return every plugin: bundled, by entry point in group ``callrouter.plugins``, and from *folders*.

    A type found twice appears in ``broken``, under both places, and in ``plugins`` not at all.
    """
    raise NotImplementedError
