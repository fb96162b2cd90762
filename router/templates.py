"""Jinja2, sandboxed and strict, for what operators write into destinations."""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Callable, Mapping, Set
from datetime import UTC, tzinfo
from typing import Any

import jinja2
from jinja2 import meta, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from markupsafe import Markup
from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from router import clock, phone, units
from router.errors import PermanentFailure

#: Filters of Jinja that would print a null as "None".
_TEXT_FILTERS = ("capitalize", "center", "indent", "lower", "replace", "string", "title", "trim", "truncate", "upper")
#: Filters of Jinja whose results would pass by the destination's own escaping.
_UNSAFE_FILTERS = ("e", "escape", "forceescape", "safe", "urlize", "xmlattr")
#: No text of a template may be multiplied beyond this many characters.
_MAX_TEXT = 100_000


def plain(value: Any) -> str:
    """Return *value* as text; a null prints as nothing."""
    return "" if value is None else str(value)


class MalformedTemplate(ValueError):
    """A template that Jinja cannot read; ``line`` counts from 1 inside the template."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(f"{text} (line {line} of the template)")
        self.text = text
        self.line = line


class Template:
    """A text with ``{{ … }}`` in it, compiled when it is made.

    Raises ValueError with Jinja's own sentence and the line inside the template when it is not well-formed.
    Usable as the type of a plugin's setting.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        _compiled(source, plain)

    def render(self, names: Mapping[str, Any], escape: Callable[[Any], str] = plain) -> str:
        """Return the text with every ``{{ … }}`` replaced by ``escape`` of its value.

        A null prints as nothing. Raises PermanentFailure with a sentence naming what is missing or wrong; nothing
        else. A text captured by ``{% set %}`` or a macro is escaped again where it is printed.
        """
        try:
            return _compiled(self.source, escape).render(names)
        except _Missing as ex:
            reason = ex.sentence(names)
        except SecurityError as ex:
            reason = f"{ex}; a template may use values, not the machinery behind them"
        # A template is the operator's own program: whatever it raises, this delivery can never be made from it.
        except Exception as ex:  # noqa: BLE001 - see above
            reason = f"{ex or type(ex).__name__}"
        raise PermanentFailure(f"the template cannot be filled in: {reason}")

    def unknown_names(self, allowed: Set[str]) -> list[tuple[str, int]]:
        """Return the top-level names that are not *allowed*, each with the line it first stands on, from 1."""
        tree = _environment(plain).parse(self.source)
        unknown = meta.find_undeclared_variables(tree) - allowed
        lines: dict[str, int] = {}
        for name in tree.find_all(nodes.Name):
            if name.name in unknown:
                lines[name.name] = min(name.lineno, lines.get(name.name, name.lineno))
        return sorted(lines.items(), key=lambda found: (found[1], found[0]))

    @classmethod
    def _validated(cls, value: Any) -> Template:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError("a template is a text")  # noqa: TRY004  # pydantic takes nothing else for a wrong value
        return cls(value)

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=core_schema.no_info_plain_validator_function(cls._validated),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda template: template.source),
        )


class _Missing(jinja2.UndefinedError):
    """A name that is not there, with what it was looked for in."""

    def __init__(self, inside: Any, name: str | None, message: str) -> None:
        super().__init__(message)
        self.inside = inside
        self.name = name

    def sentence(self, names: Mapping[str, Any]) -> str:
        """Return what is missing, and where it was looked for, by the name the template uses."""
        if self.inside is missing:
            return f'there is no "{self.name}"; a template knows {", ".join(sorted(names))}'
        if self.inside is None:
            return f'"{self.name}" was asked of a value that is null'
        place = next((name for name, value in names.items() if value is self.inside), None)
        return f'{place} has no "{self.name}"' if place else f'there is no "{self.name}" here'


class _Undefined(StrictUndefined):
    __slots__ = ()

    def __init__(self, hint: str | None = None, obj: Any = missing, name: str | None = None, exc: Any = None) -> None:
        # Jinja calls its "exception type" with the message alone, and would forget what was looked for, and where.
        raised: Any = exc or functools.partial(_Missing, obj, name)
        super().__init__(hint, obj, name, raised)


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        # A sender may name a field "items"; it must not turn into a method of Python's.
        return obj[attribute] if isinstance(obj, Mapping) and attribute in obj else super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise SecurityError("** is not available")
        for count, repeated in ((left, right), (right, left)):
            if (
                isinstance(count, int)
                and isinstance(repeated, (str, list, tuple))
                and count * len(repeated) > _MAX_TEXT
            ):
                raise SecurityError(f"a text longer than {_MAX_TEXT} characters would be made")
        return super().call_binop(context, operator, left, right)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            raise jinja2.TemplateSyntaxError("a template cannot use other templates", node.lineno)
        for node in tree.find_all((nodes.ScopedEvalContextModifier, nodes.EvalContextModifier)):
            raise jinja2.TemplateSyntaxError("the destination decides how text is escaped", node.lineno)
        for concat in tree.find_all(nodes.Concat):
            # `~` turns a null into "None" by itself; the filter does not.
            concat.nodes = [
                nodes.Filter(node, "string", [], [], None, None, lineno=node.lineno) for node in concat.nodes
            ]
        return tree


@functools.lru_cache(maxsize=512)
def _compiled(source: str, escape: Callable[[Any], str]) -> jinja2.Template:
    try:
        return _environment(escape).from_string(source)
    except jinja2.TemplateSyntaxError as ex:
        raise MalformedTemplate((ex.message or "this is no template").rstrip("."), ex.lineno) from None
    # Jinja writes Python, and folds constants while it does: a hostile template can fail in any way there.
    except Exception as ex:  # noqa: BLE001 - see above
        raise MalformedTemplate(f"this template cannot be compiled: {ex}", 1) from None


@functools.lru_cache(maxsize=64)
def _environment(escape: Callable[[Any], str]) -> _Sandbox:
    def finalize(value: Any) -> Any:
        if value is None:
            return ""
        return value if isinstance(value, Markup) else escape(value)

    environment = _Sandbox(undefined=_Undefined, finalize=finalize, keep_trailing_newline=True, cache_size=0)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    for name in _UNSAFE_FILTERS:
        del environment.filters[name]
    for name in _TEXT_FILTERS:
        environment.filters[name] = _null_as_nothing(environment.filters[name])
    environment.filters |= {"phone": _phone, "duration": _duration, "time": _time}
    return environment


def _null_as_nothing(text_filter: Callable[..., Any]) -> Callable[..., Any]:
    # Some of Jinja's filters are handed the environment first and the value second.
    position = 1 if hasattr(text_filter, "jinja_pass_arg") else 0

    @functools.wraps(text_filter)
    def filtered(*arguments: Any, **options: Any) -> Any:
        return "" if arguments[position] is None else text_filter(*arguments, **options)

    return filtered


@pass_context
def _phone(context: Context, value: Any) -> Any:
    """Return a number in its international form: ``+44 20 7123 4567``; what is no number stays as it is."""
    if value is None or value == "":
        return ""
    # The sender may leave out the plus: callrouter read both numbers of the event with the region it was told.
    event, facts = context.get("event") or {}, context.get("facts") or {}
    for field in ("from", "to"):
        known = facts.get(f"{field}_number_international")
        if known and value == event.get(field):
            return known
    number = phone.parse(str(value), None)
    return number.international if number else value


def _duration(value: Any) -> str:
    return "" if value is None else units.spell(float(value))


@pass_context
def _time(context: Context, value: Any, date: bool = False) -> str:
    """Return a moment on the router's wall clock: ``14:05``, or ``22 Sep 14:05`` with ``time(date=true)``."""
    if value is None or value == "":
        return ""
    moment = float(value) if isinstance(value, (int, float)) else clock.parse(str(value))
    local = clock.local(moment, _zone((context.get("facts") or {}).get("timezone")))
    return f"{local.day} {local:%b %H:%M}" if date else f"{local:%H:%M}"


@functools.lru_cache(maxsize=64)
def _zone(name: str | None) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(name) if name else UTC
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return UTC
