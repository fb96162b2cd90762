"""Takes secrets out of text that others wrote: a destination's answer, a library's exception."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from pydantic import BaseModel

from router.secret import Secret

#: A shorter piece of a secret occurs in ordinary text by accident.
_SHORTEST_PIECE = 6


def secrets_in(value: Any) -> Iterator[str]:
    """Yield the text of every Secret in *value*: settings, mappings and sequences, at any depth."""
    if isinstance(value, Secret):
        yield from value.hidden()
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
        self._secrets = tuple(secrets)
        pieces = {piece for secret in self._secrets for piece in _pieces(secret)}
        self._pieces = sorted(pieces, key=len, reverse=True)

    def and_also(self, secrets: Iterable[str]) -> Redaction:
        """Return one that knows *secrets* as well."""
        return Redaction((*self._secrets, *secrets))

    def __call__(self, text: str) -> str:
        """Return *text* without the secrets."""
        for piece in self._pieces:
            text = text.replace(piece, "<secret>")
        return text

    def beginning(self, text: str) -> str:
        """Return *text*, which was cut off, without the secrets and without the part of one that it may end with."""
        text = self(text)
        lengths = (
            length
            for piece in self._pieces
            for length in range(min(len(piece) - 1, len(text)), 0, -1)
            if text.endswith(piece[:length])
        )
        return text[: len(text) - max(lengths, default=0)]


def _pieces(secret: str) -> Iterator[str]:
    yield secret
    # In these forms it stands in a query, or in a form, and a server may repeat it.
    yield from (quote(secret, safe=""), quote_plus(secret))
    parts = [word for word in secret.split() if word != secret]
    if "://" in secret:
        try:
            url = urlsplit(secret)
        except ValueError:
            return
        query = [pair.partition("=")[2] for pair in url.query.split("&")]
        account = url.netloc.rpartition("@")[0]
        user, _, password = account.partition(":")
        # In this form it is sent, and a server may repeat it.
        basic = b64encode(unquote(account).encode()).decode()
        parts += [f"{url.path}?{url.query}", url.path, url.query, user, password, basic, *url.path.split("/"), *query]
    if secret.startswith("whsec_"):
        parts.append(secret.removeprefix("whsec_"))
    for part in parts:
        for form in {part, unquote(part), quote(unquote(part), safe="")}:
            if len(form) >= _SHORTEST_PIECE:
                yield form
