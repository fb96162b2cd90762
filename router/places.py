"""Addresses of destinations, whose path and query may have ``{{ … }}`` in them; and forms.

Scheme, host and port are the operator's own word: they stand fixed when the configuration is checked. What an event
fills in can never leave its place, whatever a server makes of ``..``, of an encoded slash or of a line end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from router.secret import Secret
from router.templates import CannotFillIn, MalformedTemplate, Template

#: What a server may take for the end of a segment, or of a line, even where it is percent-encoded.
_SPLITS = re.compile(r"[/\\\x00-\x1f\x7f]")


class Url(Secret):
    """An http:// or https:// address; it may carry a token, and never shows itself.

    Raises ValueError when it is none, and MalformedTemplate where ``{{ … }}`` stands before its path or after a ``#``.
    Usable as the type of a plugin's setting; ``Delivery.address`` fills it in.
    """

    __slots__ = ("_pieces", "template")

    def __init__(self, text: str) -> None:
        super().__init__(text)
        if not re.match(r"https?://[^/?#\s]", text):
            raise ValueError("a url starts with https:// or http://")
        #: The whole of it as a template; None where there is nothing to fill in.
        self.template = Template(text) if "{{" in text or "{%" in text or "{#" in text else None
        self._pieces = tuple(_pieces(text, self.template)) if self.template else ()

    def filled(self, names: Mapping[str, Any]) -> Secret:
        """Return the address with what *names* make of its templates, percent-encoded.

        Raises CannotFillIn also where a value would leave its place in the path: it has a slash, a backslash or a line
        end, or makes a part of the path empty, ``.`` or ``..``.
        """
        if self.template is None:
            return self
        made, in_query = "", False
        for piece in self._pieces:
            if isinstance(piece, str):
                made += piece
                in_query = in_query or "?" in piece
                continue
            value = piece.render(names)
            if not in_query and (found := _SPLITS.search(value)):
                raise _unfit(f"{piece.source} has {_spell(found[0])} in it, which would lead elsewhere")
            made += _MARK + quote(value, safe="", errors="replace")
        # Parts without a mark are the operator's own.
        for part in made.partition("?")[0].split("/"):
            if _MARK in part and part.replace(_MARK, "") in ("", ".", ".."):
                raise _unfit("a part of the path would be empty, or lead elsewhere")
        return _Filled(made.replace(_MARK, ""), self._fixed())

    def hidden(self) -> tuple[str, ...]:
        return self._fixed() if self.template else super().hidden()

    def _fixed(self) -> tuple[str, ...]:
        """Return the operator's own part of the address."""
        return ("".join(piece for piece in self._pieces if isinstance(piece, str)),)


def form(fields: Mapping[str, str]) -> bytes:
    """Return *fields* as the body of a request of type ``application/x-www-form-urlencoded``."""
    return urlencode(fields, errors="replace").encode()


#: Stands before each value; no fixed part of an address has a character like this, and no encoded value.
_MARK = "\0"


class _Filled(Secret):
    """An address of which only what the operator wrote is secret: an answer that names the caller stays readable."""

    __slots__ = ("_hidden",)

    def __init__(self, text: str, hidden: tuple[str, ...]) -> None:
        super().__init__(text)
        self._hidden = hidden

    def hidden(self) -> tuple[str, ...]:
        return self._hidden


def _pieces(text: str, template: Template) -> Iterator[str | Template]:
    """Yield what stands fixed, and each ``{{ … }}`` as a template of its own."""
    authority = re.match(r"https?://[^/?#]*", text)
    begins = authority.end() if authority else 0
    place = fragment = 0
    for fixed, part in template.parts():
        offset, place = place, place + len(part)
        if fixed:
            fragment = fragment or "#" in part
            yield part.replace(_MARK, "")
            continue
        if not part.startswith("{{"):
            raise _misplaced("an address takes {{ … }} alone", offset, part, "write what it needs inside {{ … }}")
        if offset < begins:
            hint = "an event must not choose who is told: write scheme, host and port"
            raise _misplaced("a template may fill the path and the query of an address alone", offset, part, hint)
        if fragment:
            raise _misplaced("what follows # is never sent", offset, part, "remove it, or write %23")
        yield Template(part)


def _misplaced(text: str, offset: int, part: str, hint: str) -> MalformedTemplate:
    return MalformedTemplate(text, 1, offset, len(part), hint)


def _unfit(why: str) -> CannotFillIn:
    return CannotFillIn(f"the address is not usable: {why}", None)


def _spell(char: str) -> str:
    return f'"{char}"' if char.isprintable() else "a line end or another control character"
