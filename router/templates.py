"""Jinja2, sandboxed and strict, for what operators write into destinations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def plain(value: Any) -> str:
    """Return *value* as text; a null prints as nothing."""
    return "" if value is None else str(value)


class Template:
    """A text with ``{{ … }}`` in it, compiled when it is made.

    Raises ValueError with Jinja's own sentence and the line inside the template when it is not well-formed.
    Usable as the type of a plugin's setting.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    def render(self, names: Mapping[str, Any], escape: Callable[[Any], str] = plain) -> str:
        """Return the text with every ``{{ … }}`` replaced by ``escape`` of its value.

        Raises PermanentFailure with a sentence naming what is missing or wrong; nothing else.
        """
        raise NotImplementedError
