"""Text that does not show itself."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema


class Secret:
    """A value from the configuration that must never be printed, logged or put into an error.

    ``reveal()`` is the only way to its text. ``str``, ``repr`` and every JSON dump show ``<secret>``.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the one place that must send it."""
        return self._text

    def hidden(self) -> tuple[str, ...]:
        """Return the texts that must not be shown, whatever quotes them."""
        return (self._text,)

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(min_length=1))
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), text]),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )


def holds_secrets(annotation: Any) -> bool:
    """Return whether a value of the type *annotation* is a Secret, may be one, or has some in it."""
    if isinstance(annotation, type) and issubclass(annotation, Secret):
        return True
    return any(map(holds_secrets, getattr(annotation, "__args__", ())))
