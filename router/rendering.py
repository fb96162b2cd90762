"""What a destination's templates would say of one delivery, setting by setting. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from router.errors import PermanentFailure
from router.plugin import Delivery, Settings, Template


def rendered(settings: Settings, delivery: Delivery) -> dict[str, str]:
    """Return every template setting by its path (``text``, ``headers.X-Tag``) with what it says of *delivery*.

    Values are not escaped: that is for the plugin. Where a template cannot be filled in, the text is the sentence
    that says why.
    """
    said = {}
    for path, template in templates(settings):
        try:
            said[path] = template.render(delivery.names)
        except PermanentFailure as ex:
            said[path] = ex.reason
    return said


def templates(settings: Settings) -> Iterator[tuple[str, Template]]:
    """Yield every template setting with its path, defaults included, in the order the plugin declares them."""
    for name, field in type(settings).model_fields.items():
        yield from _inside(getattr(settings, name, None), field.alias or name)


def _inside(value: Any, path: str) -> Iterator[tuple[str, Template]]:
    if isinstance(value, Template):
        yield path, value
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _inside(getattr(value, name, None), f"{path}.{field.alias or name}")
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _inside(inner, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value, start=1):
            yield from _inside(inner, f"{path}[{number}]")
