"""What a plugin says of itself, against the contract: type, settings, help, schema, manual."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from router.config.schema import schema
from router.plugin import Plugin, Settings
from router.registry import Found, Registry
from router.secret import holds_secrets
from router.testing.attempting import shortly

#: A setting with such a name is a secret.
_SECRET = re.compile(r"(^|_)(tokens?|secrets?|passwords?|passwd|passphrase|api_?keys?|credentials?)$")


def declares(plugin: type[Plugin[Any]]) -> Iterator[str]:
    """Yield what is missing without which nothing else can be checked."""
    if not isinstance(getattr(plugin, "type", None), str) or not plugin.type:
        yield "it has no `type`, the word after type: in config.yaml"
    settings = getattr(plugin, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, Settings)):
        yield "its `Settings` is not a class derived from router.plugin.Settings"
    if plugin.uses_receipts and plugin.order == "none":
        yield 'it uses receipts, so its `order` must be "call"'
    if inspect.isabstract(plugin):
        yield "it has no `deliver`"


def settings_described(plugin: type[Plugin[Any]]) -> Iterator[str]:
    """Yield which settings no editor, no error and no listing could say anything of."""
    fields = plugin.Settings.model_fields
    for name, field in fields.items():
        if not field.description:
            yield f"the setting {name} has no help; declare it with setting(…)"
    try:
        described = schema(Registry({plugin.type: Found(plugin, "")}, {}))["definitions"][f"to-{plugin.type}"]
        json.dumps(described)
    except Exception as ex:  # noqa: BLE001 - a setting may be of any type, and pydantic fails in many ways
        yield f"the JSON Schema of its settings cannot be made: {shortly(ex)}"
        return
    for name, field in fields.items():
        shown = described["properties"].get(field.alias or name)
        if shown is None or (field.description and not shown.get("description")):
            yield f"the JSON Schema does not describe the setting {name}"


def secrets_declared(plugin: type[Plugin[Any]]) -> Iterator[str]:
    """Yield the settings that are secrets by their names, and are not declared so."""
    for name, field in plugin.Settings.model_fields.items():
        if _SECRET.search(name) and not holds_secrets(field.annotation) and field.annotation is not bool:
            yield f"the setting {name} is a secret by its name: its type must be Secret"


def documented(plugin: type[Plugin[Any]], page: Path | None) -> Iterator[str]:
    """Yield what a reader would miss: a line that says what it does, and every setting on its *page*."""
    if not (inspect.getdoc(inspect.getmodule(plugin)) or plugin.__dict__.get("__doc__") or "").strip():
        yield "it has no docstring; its first line is what callrouter plugins says of it"
    if page is None:
        return
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, ValueError) as ex:
        yield f"its page {page.name} cannot be read: {shortly(ex)}"
        return
    for name, field in plugin.Settings.model_fields.items():
        if f"`{field.alias or name}`" not in text:
            yield f"its page {page.name} does not name the setting `{field.alias or name}`"
