"""A plugin's own settings, checked by its pydantic model and answered for by line and column."""

from __future__ import annotations

import contextlib
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from router.config.located import Block, Items, Text, Value, bare, texts
from router.config.problems import Problems, guess, nearest
from router.config.scalars import boolean
from router.config.wording import Wording
from router.plugin import Plugin, Secret, Settings
from router.templates import MalformedTemplate

#: The keys that every destination has, whatever its plugin.
COMMON = ("type", "retry", "expire", "open", "order", "after_dead_letter", "unknown", "answers", "breaker",
          "concurrency", "rate", "timeout", "allow_private", "ca", "certificate", "proxy", "keep_answers", "enabled",
          "optional", "description",
          "formerly")  # fmt: skip

_SENTENCES: Mapping[str, str] = {
    "int_parsing": "needs a whole number", "int_type": "needs a whole number", "int_from_float": "needs a whole number",
    "float_parsing": "needs a number", "float_type": "needs a number", "bool_parsing": "is either true or false",
    "bool_type": "is either true or false", "string_type": "needs a single value", "list_type": "needs a list",
    "tuple_type": "needs a list", "set_type": "needs a list", "frozen_set_type": "needs a list",
    "dict_type": "needs a block of keys", "model_type": "needs a block of keys",
    "mapping_type": "needs a block of keys",
    "path_type": "needs the name of a file", "is_instance_of": "needs a single value",
    "string_too_short": "is too short or empty", "time_delta_parsing": "needs a duration",
}  # fmt: skip


class PluginSettings:
    """Reads the settings of one destination: all keys of its block that are not common to every destination."""

    def __init__(
        self, plugin: type[Plugin[Settings]], key: Text, block: Block, *, common: Sequence[str], wording: Wording,
        problems: Problems,
    ) -> None:  # fmt: skip
        self._plugin = plugin
        self._model = plugin.Settings
        self._fields = _keys(self._model)
        self._key = key
        self._where = f'destination "{key}"'
        self._block = block
        self._own: Mapping[str, Value] = {name: value for name, value in block.items() if name not in common}
        self._wording = wording
        self._problems = problems

    def read(self, folder: Path) -> Settings | None:
        """Return the settings, incomplete where a variable is unset, or None after a mistake was reported.

        Relative paths in them begin at *folder*.
        """
        self._hide_secrets()
        given: dict[str, Any] = {}
        skipped = set()
        for name, value in self._own.items():
            if any(text.unset for text in texts(value)) or self._refused(self._block.key(name), value):
                skipped.add(name)
            else:
                given[name] = bare(value)
        settings = self._validated(given, skipped)
        if settings is not None:
            self._gather_templates(settings)
            settings = _resolved(settings, folder)
        return settings

    def _validated(self, given: dict[str, Any], skipped: set[str]) -> Settings | None:
        try:
            return self._model.model_validate(given)
        except ValidationError as ex:
            # A key that was mistyped is not missing as well.
            skipped |= {
                meant for name in self._own if name not in self._fields and (meant := nearest(name, self._fields))
            }
            errors = [error for error in ex.errors() if not (skipped and _is_about(error, skipped))]
        # The plugin's author must hear of it, and the operator too.
        except Exception as ex:  # noqa: BLE001 - a plugin's own check may fail in any way
            text = f'plugin "{self._plugin.type}" fails while it checks the settings of {self._where}'
            self._problems.error(
                self._key, text, f"this is a fault of the plugin ({type(ex).__name__}); tell its author"
            )
            return None
        for error in self._one_of_each(errors):
            self._report(error)
        if not errors:
            return self._incomplete(given)
        for name in given.keys() & self._fields.keys():
            self._gather_template(name, given[name])
        return None

    def _incomplete(self, given: dict[str, Any]) -> Settings:
        """Return settings without those that are unset, each of the others converted by itself."""
        converted = {}
        for name, field in self._model.model_fields.items():
            key = field.alias or name
            if key in given:
                # What cannot be told without its neighbours is left out like them: the destination is off.
                with contextlib.suppress(ValidationError):
                    converted[name] = _adapter(field).validate_python(given[key])
        return self._model.model_construct(**converted)

    def _refused(self, key: Text, value: Value) -> bool:
        """Report what pydantic would accept and an operator did not mean; return whether there was something."""
        if isinstance(value, Text) and value.null:
            self._problems.error(key, f'"{key}" in {self._where} has no value', "give one, or remove the key")
            return True
        kinds = set(_parts(self._fields[key].annotation)) if key in self._fields else set()
        if isinstance(value, Text) and bool in kinds and str not in kinds:
            try:
                boolean(value)
            except ValueError as ex:
                self._problems.error(value, f"{key}: {ex}")
                return True
        return False

    def _hide_secrets(self) -> None:
        for name, value in self._own.items():
            # A mistyped key may hold a secret as well.
            hidden = _secret_texts(value, self._fields[name].annotation) if name in self._fields else texts(value)
            for text in hidden:
                self._problems.hide(text)

    def _one_of_each(self, errors: list[ErrorDetails]) -> list[ErrorDetails]:
        """Leave out what pydantic says again of one value, because its setting may be of several types."""
        kept: dict[object, ErrorDetails] = {}
        for error in sorted(errors, key=_rank):
            top = str(error["loc"][0]) if error["loc"] else ""
            place: object = _follow(error["loc"], self._block)[2]
            if top in self._fields and _alternatives(self._fields[top].annotation) > 1:
                place = top
            elif error["type"] == "missing":
                place = error["loc"]
            kept.setdefault(place, error)
        return list(kept.values())

    def _report(self, error: ErrorDetails) -> None:
        key, value, path = _follow(error["loc"], self._block)
        fields = self._beside(error["loc"])
        if error["type"] == "missing":
            name = str(error["loc"][-1])
            hint = fields[name].description if name in fields else None
            path = f"{path}.{name}" if path else name
            self._problems.error(key or self._key, f'"{path}" is missing in {self._where}' + _as_clause(hint))
            return
        if error["type"] == "extra_forbidden" and key is not None:
            common = COMMON if len(error["loc"]) == 1 else ()
            hint = guess(key, (*fields, *common)) if fields else None
            self._problems.error(key, f'unknown key "{path}" in {self._where}', hint)
            return
        place: Any = value if value is not None else (key or self._key)
        cause = (error.get("ctx") or {}).get("error")
        if isinstance(cause, MalformedTemplate) and isinstance(value, Text):
            self._wording.malformed(value, cause, f"{path} in {self._where}")
            return
        sentence = _sentence(error, cause)
        if isinstance(value, Text):
            field = fields.get(str(error["loc"][-1])) or self._fields.get(str(error["loc"][0]))
            if field is not None and value and _holds_secret(field.annotation):
                sentence = sentence.replace(str(value), "<secret>")
        hint = f"write {path}: {{key: value}}" if error["type"] in ("dict_type", "mapping_type", "model_type") else None
        where = f"{path} in {self._where}" if path else self._where
        self._problems.error(place, f"{where}: {sentence}", hint if path else None)

    def _beside(self, path: tuple[int | str, ...]) -> Mapping[str, FieldInfo]:
        """Return key → field of the block in which pydantic's *path* ends, as far as its setting declares one."""
        fields = self._fields
        for step in path[:-1]:
            field = fields.get(str(step))
            models = [part for part in _parts(field.annotation) if _is_model(part)] if field else []
            fields = _keys(models[0]) if models else {}
        return fields

    def _gather_template(self, name: str, value: Any) -> None:
        """Have a template checked as well whose neighbour is wrong."""
        with contextlib.suppress(ValidationError):
            converted = _adapter(self._fields[name]).validate_python(value)
            self._wording.add(str(self._key), None, name, converted, self._own[name])

    def _gather_templates(self, settings: Settings) -> None:
        for name, value in self._own.items():
            field = next((n for n, f in self._model.model_fields.items() if (f.alias or n) == name), name)
            self._wording.add(str(self._key), None, name, getattr(settings, field, None), value)


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    """Return what checks the value of one setting by itself."""
    annotation: Any = field.annotation
    return TypeAdapter(Annotated[(annotation, *field.metadata)] if field.metadata else annotation)


def _sentence(error: ErrorDetails, cause: object) -> str:
    if cause is not None:
        return str(cause).removesuffix(".")
    if error["type"] in ("literal_error", "enum"):
        allowed = re.findall(r"'([^']*)'", str((error.get("ctx") or {}).get("expected", "")))
        return f'"{error["input"]}" is not possible; {guess(str(error["input"]), allowed)}'
    if error["type"] in _SENTENCES:
        return f"this {_SENTENCES[error['type']]}"
    return error["msg"].replace("Input should", "this should").removesuffix(".")


def _as_clause(description: str | None) -> str:
    """Return the first sentence of a setting's *description* as it can end another sentence."""
    first = (description or "").partition(". ")[0].rstrip(".")
    return f": {first[0].lower() if first[1:2].islower() else first[0]}{first[1:]}" if first else ""


def _is_about(error: ErrorDetails, handled: set[str]) -> bool:
    return not error["loc"] or error["loc"][0] in handled


def _rank(error: ErrorDetails) -> tuple[bool, bool, int]:
    """Order errors so that a plugin's own sentence comes first, and then what is said most closely to the value."""
    return "error" not in (error.get("ctx") or {}), error["type"] == "is_instance_of", -len(error["loc"])


def _alternatives(annotation: Any) -> int:
    members = typing.get_args(annotation) if typing.get_origin(annotation) in (typing.Union, types.UnionType) else ()
    return len([member for member in members if member is not type(None)])


def _follow(path: tuple[int | str, ...], block: Block) -> tuple[Text | None, Value | None, str]:
    """Return the key and value that pydantic's *path* leads to, as far as the file has it, and the path in words.

    pydantic puts the names of a union's members into its paths; those lead nowhere in the file and are left out.
    """
    key: Text | None = None
    value: Value = block
    words = ""
    for step in path:
        if isinstance(value, Block) and step in value:
            key, value = value.key(str(step)), value[str(step)]
            words = f"{words}.{step}" if words else str(step)
        elif isinstance(value, Items) and isinstance(step, int) and step < len(value):
            value = value[step]
            words = f"{words}[{step + 1}]"
    return key, None if value is block else value, words


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield every type that *annotation* is made of."""
    yield annotation
    if typing.get_origin(annotation) is not typing.Literal:
        for inner in typing.get_args(annotation):
            yield from _parts(inner)


def _is_model(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return key in config.yaml → field."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _holds_secret(annotation: Any, inside: tuple[Any, ...] = ()) -> bool:
    return any(
        (isinstance(part, type) and issubclass(part, Secret))
        or (
            _is_model(part)
            and part not in inside
            and any(_holds_secret(field.annotation, (*inside, part)) for field in part.model_fields.values())
        )
        for part in _parts(annotation)
    )


def _secret_texts(value: Value, annotation: Any) -> Iterator[Text]:
    """Yield the texts of a setting's *value* that may be secret: in a block whose keys are known, only theirs."""
    models = [part for part in _parts(annotation) if _is_model(part)]
    if isinstance(value, Block) and len(models) == 1:
        keys = _keys(models[0])
        for name, inner in value.items():
            yield from _secret_texts(inner, keys[name].annotation) if name in keys else texts(inner)
    elif _holds_secret(annotation):
        yield from texts(value)


def _resolved(settings: Settings, folder: Path) -> Settings:
    """Return *settings* with every path made absolute: relative ones begin at the folder of config.yaml."""
    paths = {
        name: folder / path
        for name in type(settings).model_fields
        if isinstance(path := getattr(settings, name, None), Path)
    }
    return settings.model_copy(update=paths) if paths else settings
