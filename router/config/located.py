"""YAML as text with its places. Nothing here guesses a type: what ``17:00`` or ``no`` means, the schema decides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from router.config.problems import BREAKS, Place, Problems

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Deeper than any configuration, and far from where the parser would run out of stack.
_MAX_DEPTH = 40
#: How large aliases may make a file: each use counts as if its content stood there.
_MAX_VALUES = 1_000_000


class Text(str):
    """A scalar, with its place. ``written`` is what the file says, where a variable has been filled in since."""

    place: Place
    written: str
    #: True for a scalar without quotes that is empty, ``~`` or ``null``.
    null: bool
    #: ``|`` or ``>`` for a block of several lines.
    style: str | None
    #: Why there is no value: ``SLACK_WEBHOOK_URL is not set``.
    unset: str | None

    def __new__(
        cls, text: str, place: Place, *, written: str | None = None, null: bool = False, style: str | None = None,
        unset: str | None = None,
    ) -> Text:  # fmt: skip
        self = super().__new__(cls, text)
        self.place, self.null, self.style, self.unset = place, null, style, unset
        self.written = text if written is None else written
        return self

    def filled(self, text: str, *, unset: str | None = None) -> Text:
        """Return the same scalar with its variables replaced."""
        return Text(text, self.place, written=self.written, null=self.null, style=self.style, unset=unset)


class Block(dict[str, Any]):
    """A mapping: its keys are all Text, its values Text, Block or Items."""

    place: Place

    def key(self, name: str) -> Text:
        """Return the key equal to *name* as it stands in the file."""
        return next(key for key in self if key == name and isinstance(key, Text))


class Items(list[Any]):
    """A list of Text, Block or Items."""

    place: Place


Value = Text | Block | Items


def bare(value: Any) -> Any:
    """Return *value* as plain dictionaries, lists and strings."""
    if isinstance(value, Block):
        return {str(key): bare(inner) for key, inner in value.items()}
    if isinstance(value, Items):
        return [bare(inner) for inner in value]
    return str(value)


def texts(value: Value) -> Iterator[Text]:
    """Yield every scalar of *value*, keys excepted."""
    if isinstance(value, Text):
        yield value
    else:
        for inner in value.values() if isinstance(value, Block) else value:
            yield from texts(inner)


def read(source: str, problems: Problems, file: str = "") -> Block | None:
    """Return the one mapping that *source* is, or None after reporting why it is none.

    *file* is what its Places say, where it is not the first file of the configuration.
    """
    bad = _NOT_PRINTABLE.search(source)
    if bad:
        before = BREAKS.split(source[: bad.start()])
        place = Place(len(before), len(before[-1]) + 1, file=file)
        problems.error(place, f"there is an unprintable character here (code {ord(bad[0])})", "remove it")
        return None
    try:
        root = _Builder(source, problems, file).document()
    except yaml.YAMLError as ex:
        _report_syntax(ex, source, problems, file)
        return None
    except _TooMuch as ex:
        problems.error(ex.place, ex.text)
        return None
    if isinstance(root, Block):
        return root
    if root is None or (isinstance(root, Text) and root.null):
        problems.error(Place(1, 1, file=file), "the file is empty", "callrouter init FOLDER writes one to begin with")
    else:
        problems.error(root, "the file must consist of keys with values", "write for example unmatched: drop")
    return None


class _TooMuch(Exception):
    def __init__(self, place: Place, text: str) -> None:
        self.place, self.text = place, text
        super().__init__(text)


class _Anchor(NamedTuple):
    value: Value
    size: int


@dataclass
class _Builder:
    """Builds values from the parser's events, and so bounds depth before the parser's own recursion could matter."""

    source: str
    problems: Problems
    file: str

    def __post_init__(self) -> None:
        self._lines = BREAKS.split(self.source)
        self._events: Iterator[Any] = iter(yaml.parse(self.source, Loader=yaml.CSafeLoader))
        self._anchors: dict[str, _Anchor] = {}
        self._size = 0

    def document(self) -> Value | None:
        root: Value | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.problems.error(self._place(event), "a second document begins here", "remove the line ---")
                    break
                root = self._value(next(self._events), 0)
        return root

    def _value(self, event: Any, depth: int) -> Value:
        place = self._place(event)
        if depth > _MAX_DEPTH:
            raise _TooMuch(place, f"this is nested more than {_MAX_DEPTH} deep")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place)
        if event.tag not in (None, "!"):
            self.problems.error(place, f'the tag "{event.tag}" means nothing here', "write the value itself")
        self._count(1, place)
        before = self._size
        value: Value
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style in (None, "")
            value = Text(event.value, place, null=plain and event.value in _NULLS, style=event.style)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = Items()
            value.place = place
            while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
                value.append(self._value(inner, depth + 1))
        else:
            value = self._block(place, depth)
        if event.anchor:
            self._anchors[event.anchor] = _Anchor(value, 1 + self._size - before)
        return value

    def _block(self, place: Place, depth: int) -> Value:
        block = Block()
        block.place = place
        merged: list[Value] = []
        while not isinstance(inner := next(self._events), yaml.MappingEndEvent):
            plain_merge = isinstance(inner, yaml.ScalarEvent) and inner.value == "<<" and inner.style in (None, "")
            key = self._value(inner, depth + 1)
            value = self._value(next(self._events), depth + 1)
            if isinstance(key, Block):
                # `{{ from }}` without quotes is a mapping in a mapping to YAML; nobody ever means that.
                line = self._lines[place.line - 1][place.column - 1 :]
                self.problems.error(place, "YAML does not read this as a text", 'put quotes around a text with "{{"')
                list(self._rest_of_block(depth))
                return Text(line, place)
            if not isinstance(key, Text):
                self.problems.error(key, "a list cannot be a key", "a key is a word")
            elif plain_merge:
                merged.extend(value if isinstance(value, Items) else [value])
            elif key in block:
                first = block.key(key).place
                self.problems.error(
                    key, f'key "{key}" is written twice, first at line {first.line}, column {first.column}',
                    "remove one: YAML would silently keep the last",
                )  # fmt: skip
            else:
                block[key] = value
        for source in merged:
            self._merge(block, source)
        return block

    def _rest_of_block(self, depth: int) -> Iterator[Value]:
        while not isinstance(inner := next(self._events), yaml.MappingEndEvent):
            yield self._value(inner, depth + 1)

    def _merge(self, block: Block, source: Value) -> None:
        if not isinstance(source, Block):
            self.problems.error(source, '"<<" takes another block', "write for example <<: *name")
            return
        for key, value in source.items():
            block.setdefault(key, value)

    def _alias(self, event: Any, place: Place) -> Value:
        anchor = self._anchors.get(event.anchor)
        if anchor is None:
            text = f'"*{event.anchor}" refers to something named "&{event.anchor}" that is not above'
            self.problems.error(place, text, 'put quotes around a text that begins with "*"')
            return Text(f"*{event.anchor}", place)
        self._count(anchor.size, place)
        return anchor.value

    def _count(self, values: int, place: Place) -> None:
        self._size += values
        if self._size > _MAX_VALUES:
            raise _TooMuch(place, f"the file says more than {_MAX_VALUES} things")

    def _place(self, event: Any) -> Place:
        start, end = event.start_mark, event.end_mark
        line = self._lines[start.line] if start.line < len(self._lines) else ""
        stop = end.column if end.line == start.line else len(line.rstrip())
        return Place(start.line + 1, start.column + 1, max(stop - start.column, 1), self.file)


#: What the parser says, and what a person should hear instead.
_SENTENCES: tuple[tuple[str, str, str | None], ...] = (
    ("tab character|found character '\\\\t'", "a tab stands here", "indent with spaces"),
    ("cannot start any token", "a text cannot begin like this", "put quotes around it"),
    ("mapping values are not allowed", "there is a second colon in this line, or the line is indented too far",
     'put quotes around a text with ": " in it'),
    ("expected ',' or ']'", "a list that begins with [ is not closed",
     "close it with ], or write a comma between its values"),
    ("expected ',' or '}'", "a block that begins with { is not closed",
     "close it with }, or write a comma between its keys"),
    ("could not find expected ':'", "a key without its colon", "write key: value"),
    ("found unexpected ':'", "a colon without a value", 'write a space and a value after it; quote a text with ":"'),
    ("did not find expected key", "this line does not fit the lines above it", "check quotes and indentation"),
    ("expected '-' indicator", "this line does not fit the list above it",
     'every entry of a list begins with "- " at the same depth'),
    ("expected node content", "a value is missing here",
     "write it, or close what was opened above: [ with ], { with }"),
    ("expected alphabetic or numeric", "a name is missing behind this sign",
     'quote a text that begins with "&" or "*"'),
    ("expected comment or line break", "a text of several lines begins in the next line",
     'quote a text that begins with "|" or ">"'),
    ("unexpected end of stream", "a quote is opened here and never closed", "close it"),
    ("unknown escape character", "this is no escape in double quotes", "use single quotes for a text with \\"),
    ("block sequence entries are not allowed", "a list cannot begin in this line", "begin it in the next line"),
    ("block mapping|block collections", "this line is indented wrongly", "check the indentation"),
)  # fmt: skip


#: A typographic quote that is not inside of straight ones.
_CURLY = re.compile(r'(?:[^"]*"[^"]*")*[^"]*?[\s:\[{,]([“”„])')
#: A key whose value begins right behind its colon.
_GLUED = re.compile(r"[\s-]*([A-Za-z_][\w-]*):(?=[^\s:/])")


def _report_quotes(line: str, place: Place, problems: Problems) -> bool:
    """Report what is wrong with the quotes of *line*, where that explains why YAML gave up at *place*."""
    curly = _CURLY.match(line)
    if curly:
        at = place._replace(column=curly.end())
        problems.error(at, f"{curly[1]} is a typographic quote, and a letter to YAML", 'write a straight one: "')
    elif line.count('"') % 2 and "\\" not in line:
        at = place._replace(column=line.rindex('"') + 1)
        problems.error(at, "a quote is opened here and never closed", "close it")
    else:
        return False
    return True


def _report_syntax(ex: yaml.YAMLError, source: str, problems: Problems, file: str) -> None:
    problem = str(getattr(ex, "problem", None) or ex)
    mark = getattr(ex, "problem_mark", None) or getattr(ex, "context_mark", None)
    context = getattr(ex, "context_mark", None)
    if context and ("end of stream" in problem or "']'" in problem or "'}'" in problem):
        mark = context
    place = Place(mark.line + 1, mark.column + 1, file=file) if mark else Place(1, 1, file=file)
    if problems.has_error_in(place.line, file):
        return
    lines = BREAKS.split(source)
    end = BREAKS.split(source.rstrip())
    if place.line > len(end):
        # The end of the file is behind its last line, where there is nothing to see.
        place = Place(len(end), max(1, len(end[-1])), file=file)
    near = lines[place.line - 1] if place.line <= len(lines) else ""
    if _report_quotes(near, place, problems):
        return
    if context and "expected ':'" in problem and (glued := _GLUED.match(lines[context.line])):
        place = Place(context.line + 1, glued.end(), file=file)
        problems.error(place, "a colon without a space after it", f"write {glued[1]}: and a space before its value")
        return
    if re.search(r"(:|-)\s+\{[{%]", near):
        problems.error(place, "YAML does not read this as a text", 'put quotes around a text with "{{"')
        return
    if "\t" in near[: len(near) - len(near.lstrip())] or near[place.column - 1 : place.column] == "\t":
        problem = "tab character"
    for pattern, text, hint in _SENTENCES:
        if re.search(pattern, problem):
            problems.error(place, text, hint)
            return
    problems.error(place, f"this is not YAML: {problem}")
