"""Jinja2, sandboxed and strict, for what operators write into destinations."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.lexer import Lexer
from jinja2.runtime import Context, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from markupsafe import Markup
from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from router.errors import PermanentFailure
from router.filters import Finished, Link, filters

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
    """A template that Jinja cannot read.

    ``line`` counts from 1 inside the template. ``offset`` and ``width`` say which of its characters are at fault, as
    far as that is known (``offset`` None: only the line is). ``hint`` is what to write instead.
    """

    def __init__(
        self, text: str, line: int, offset: int | None = None, width: int = 1, hint: str | None = None
    ) -> None:
        super().__init__(f"{text} (line {line} of the template)")
        self.text = text
        self.line = line
        self.offset = offset
        self.width = width
        self.hint = hint


class CannotFillIn(PermanentFailure):
    """A template that cannot be filled in for one delivery: ``why``, and where in the template as far as is known."""

    def __init__(self, why: str, line: int | None, name: str | None = None, inside: str | None = None) -> None:
        super().__init__(f"the template cannot be filled in: {why}")
        self.why = why
        #: Counts from 1 inside the template.
        self.line = line
        #: The name that was not found, and in what: ``event``, ``facts``, ``null``; None: in something else.
        self.name = name
        self.inside = inside


class Position(int):
    """A line of a template, from 1, that also knows the very character: ``offset`` counts from 0."""

    offset: int

    @classmethod
    def at(cls, line: int, offset: int) -> Position:
        """Return the position of the character at *offset*, which stands in *line*."""
        self = cls(line)
        self.offset = offset
        return self


class Template:
    """A text with ``{{ … }}`` in it, compiled when it is made.

    Raises MalformedTemplate, a ValueError, when it is not well-formed. Usable as the type of a plugin's setting.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        # Kept, so that thousands of templates need not be compiled again after each is checked.
        self._plain = _compiled(source, plain, None)

    def render(self, names: Mapping[str, Any], escape: Callable[[Any], str] = plain, link: Link | None = None) -> str:
        """Return the text with every ``{{ … }}`` replaced by ``escape`` of its value.

        A null prints as nothing. *link* writes what the filter ``link`` makes, in place of ``escape`` of the address.
        Raises CannotFillIn with a sentence naming what is missing or wrong; nothing else. A text captured by
        ``{% set %}`` or a macro is escaped again where it is printed.
        """
        compiled = self._plain if escape is plain and link is None else _compiled(self.source, escape, link)
        try:
            return compiled.render(names)
        except _Missing as ex:
            failure = CannotFillIn(ex.sentence(names), _line(ex), ex.name, ex.place(names))
        except SecurityError as ex:
            why = f"{ex}; a template may use values, not the machinery behind them"
            failure = CannotFillIn(why, _line(ex))
        # A template is the operator's own program: whatever it raises, this delivery can never be made from it.
        except Exception as ex:  # noqa: BLE001 - see above
            failure = CannotFillIn(f"{ex or type(ex).__name__}", _line(ex))
        raise failure

    def tree(self) -> nodes.Template:
        """Return the template as Jinja reads it; every ``lineno`` in it is a Position."""
        return self._plain.environment.parse(self.source)

    def parts(self) -> Iterator[tuple[bool, str]]:
        """Yield the text piece by piece: (True, what stands fixed) or (False, one ``{{ … }}``, ``{% … %}`` or comment).

        Put together they are ``source``.
        """
        part = ""
        for _, kind, text in self._plain.environment.lex(self.source):
            if kind == "data":
                yield True, text
                continue
            part += text
            if kind.endswith("_end"):
                yield False, part
                part = ""

    @classmethod
    def _validated(cls, value: Any) -> Template:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError("a template is a text")  # noqa: TRY004  # pydantic takes nothing else for a wrong value
        return cls(value)

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    # pydantic copies defaults; a template never changes.
    def __deepcopy__(self, memo: dict[int, Any]) -> Template:
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=core_schema.no_info_plain_validator_function(cls._validated),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda template: template.source),
        )


def _line(failure: Exception) -> int | None:
    """Return the line of the template that *failure* came from: Jinja writes it into the traceback."""
    line, traceback = None, failure.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<template>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


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
        place = self.place(names)
        if place == "null":
            return f'"{self.name}" was asked of a value that is null'
        return f'{place} has no "{self.name}"' if place else f'there is no "{self.name}" here'

    def place(self, names: Mapping[str, Any]) -> str | None:
        """Return in which of *names* it was looked for: ``null`` for in nothing, None for elsewhere."""
        if self.inside is None:
            return "null"
        return next((name for name, value in names.items() if value is self.inside), None)


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

    @functools.cached_property
    def lexer(self) -> Lexer:
        return _Lexer(self)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            raise jinja2.TemplateSyntaxError("a template cannot use other templates", node.lineno)
        for node in tree.find_all((nodes.ScopedEvalContextModifier, nodes.EvalContextModifier)):
            raise jinja2.TemplateSyntaxError("the destination decides how text is escaped", node.lineno)
        for used in tree.find_all((nodes.Filter, nodes.Test)):
            kind, there = ("filter", self.filters) if isinstance(used, nodes.Filter) else ("test", self.tests)
            if used.name not in there:
                raise _unknown(kind, used.name, there, source, used.lineno)
        for concat in tree.find_all(nodes.Concat):
            # `~` turns a null into "None" by itself; the filter does not.
            concat.nodes = [
                nodes.Filter(node, "string", [], [], None, None, lineno=node.lineno) for node in concat.nodes
            ]
        return tree


class _Lexer(Lexer):
    """Numbers lines with Positions, so that every node and every mistake knows its very character."""

    def tokeniter(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> Iterator[tuple[int, str, str]]:
        offset = 0
        try:
            for line, kind, text in super().tokeniter(source, name, filename, state):
                # Between two tokens stands at most the space that `{%-` takes away.
                found = source.find(text, offset)
                offset = offset if found < 0 else found
                yield Position.at(line, offset), kind, text
                offset += len(text) if found >= 0 else 0
        except jinja2.TemplateSyntaxError as ex:
            ex.lineno = Position.at(ex.lineno, offset)
            raise


def width_at(source: str, offset: int) -> int:
    """Return how many characters the word, the number or the sign at *offset* has."""
    token = re.compile(r"\w+").match(source, offset)
    return len(token[0]) if token else 1


def _unknown(kind: str, name: str, there: Iterable[str], source: str, line: int) -> MalformedTemplate:
    offset = getattr(line, "offset", None)
    # A test stands after its `is`.
    offset = None if offset is None else source.find(name, offset)
    near = difflib.get_close_matches(name, sorted(there), 1)
    hint = f'did you mean "{near[0]}"?' if near else "docs/templates.md lists those there are"
    return MalformedTemplate(f'there is no {kind} "{name}"', int(line), offset, len(name), hint)


@functools.lru_cache(maxsize=4096)
def _compiled(source: str, escape: Callable[[Any], str], link: Link | None) -> jinja2.Template:
    try:
        return _environment(escape, link).from_string(source)
    except jinja2.TemplateSyntaxError as ex:
        raise _malformed(ex, source) from None
    except MalformedTemplate:
        raise
    # Jinja writes Python, and folds constants while it does: a hostile template can fail in any way there.
    except Exception as ex:  # noqa: BLE001 - see above
        raise MalformedTemplate(f"this template cannot be compiled: {ex}", 1) from None


#: What Jinja says, with its own names for the signs, and what an operator can do about it.
_SIGNS = {"'end of print statement'": '"}}"', "'end of statement block'": '"%}"'}
_HINTS = (
    (r"unexpected '\}'|expected \"(\}\}|%\})\"", 'what begins with "{{" ends with "}}", and "{%" with "%}"'),
    (r"got \"\}\}\"", 'something is missing before "}}"'),
    (r"char '\?'", 'write {{ A if CONDITION else B }}, or {{ A | default("…") }}'),
)


def _malformed(error: jinja2.TemplateSyntaxError, source: str) -> MalformedTemplate:
    # Where the lexer gives up it counts characters, which says nothing to anybody.
    text = re.sub(r" at \d+$", "", (error.message or "this is no template").rstrip("."))
    text = text[:1].lower() + text[1:]
    for jinjas, sign in _SIGNS.items():
        text = text.replace(jinjas, sign)
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, text)), None)
    line, offset = int(error.lineno), getattr(error.lineno, "offset", None)
    if offset is None:
        return MalformedTemplate(text, line, hint=hint)
    rest = source[offset:]
    offset += len(rest) - len(rest.lstrip())
    return MalformedTemplate(text, line, offset, width_at(source, offset), hint)


@functools.lru_cache(maxsize=64)
def _environment(escape: Callable[[Any], str], link: Link | None) -> _Sandbox:
    def finalize(value: Any) -> Any:
        if value is None:
            return ""
        return value if isinstance(value, (Markup, Finished)) else escape(value)

    environment = _Sandbox(undefined=_Undefined, finalize=finalize, keep_trailing_newline=True, cache_size=0)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    for name in _UNSAFE_FILTERS:
        del environment.filters[name]
    for name in _TEXT_FILTERS:
        environment.filters[name] = _null_as_nothing(environment.filters[name])
    environment.filters |= filters(link or (lambda address, _label: escape(address)))
    return environment


def _null_as_nothing(text_filter: Callable[..., Any]) -> Callable[..., Any]:
    # Some of Jinja's filters are handed the environment first and the value second.
    position = 1 if hasattr(text_filter, "jinja_pass_arg") else 0

    @functools.wraps(text_filter)
    def filtered(*arguments: Any, **options: Any) -> Any:
        return "" if arguments[position] is None else text_filter(*arguments, **options)

    return filtered
