"""Settings to check a plugin with where nobody gave any: its own ``trial``, its examples, and what fits a type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from router.plugin import Plugin
from router.secret import Secret

_VARIABLE = re.compile(r"\$\{[^}]*\}")


def made_up(plugin: type[Plugin[Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings for *plugin*: *given*, then those of its trial, then something for each that it needs."""
    settings = {**plugin.trial.settings, **given}
    for name, field in plugin.Settings.model_fields.items():
        key = field.alias or name
        if key not in settings and field.is_required():
            settings[key] = _something(name, field)
    return settings


def _something(name: str, field: FieldInfo) -> Any:
    made = f"s3cret-{name.replace('_', '-')}-0123456789"
    kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
    if any(issubclass(kind, Secret) for kind in kinds):
        return f"https://example.com/{made}" if "url" in name or "address" in name else made
    if field.examples:
        example = str(field.examples[0])
        try:
            return yaml.safe_load(_VARIABLE.sub(made, example))
        except yaml.YAMLError:
            return example
    if get_origin(field.annotation) is Literal:
        return get_args(field.annotation)[0]
    if Path in kinds:
        return f"{name}.txt"
    return 1 if {int, float} & set(kinds) else "{{ event.uuid }}"
