"""Takes secrets out of text that others wrote: a destination's answer, a library's exception."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel

from router.secret import Secret

#: A shorter piece of a secret occurs in ordinary text by accident.
_SHORTEST_PIECE = 6


def secrets_in(value: Any) -> Iterator[str]:
    """Yield the text of every Secret in *value*: settings, mappings and sequences, at any depth."""
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from secrets_in(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from secrets_in(inner)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from secrets_in(inner)


class Redaction:
    """Replaces *secrets* by ``<secret>``: whole, and the parts of a URL or of a ``Bearer …`` value too.

    Libraries and servers rarely quote a URL whole: ``Cannot POST /services/T0/B0/…`` tells as much.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        pieces = {piece for secret in secrets for piece in _pieces(secret)}
        self._pieces = sorted(pieces, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return *text* without the secrets."""
        for piece in self._pieces:
            text = text.replace(piece, "<secret>")
        return text


def _pieces(secret: str) -> Iterator[str]:
    yield secret
    parts = [word for word in secret.split() if word != secret]
    if "://" in secret:
        try:
            url = urlsplit(secret)
        except ValueError:
            return
        query = [pair.partition("=")[2] for pair in url.query.split("&")]
        user, _, password = url.netloc.rpartition("@")[0].partition(":")
        parts += [f"{url.path}?{url.query}", url.path, url.query, user, password, *url.path.split("/"), *query]
    if secret.startswith("whsec_"):
        parts.append(secret.removeprefix("whsec_"))
    for part in parts:
        for form in (part, unquote(part)):
            if len(form) >= _SHORTEST_PIECE:
                yield form
