"""Names and values of headers that an operator may write."""

from __future__ import annotations

import re

from router.plugin import Secret

#: Headers that are HTTP's own business, or say what this plugin says.
_RESERVED = {"host", "content-length", "transfer-encoding", "connection",
             "webhook-id", "webhook-timestamp", "webhook-signature"}  # fmt: skip
#: A name of a header, or a method: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2.
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def header_name(name: str) -> str:
    """Return *name*; raise ValueError when no header of the operator's can be called so."""
    if not TOKEN.fullmatch(name):
        raise ValueError(f'"{name}" is no name of a header')
    if name.lower() in _RESERVED:
        raise ValueError(f'the header "{name}" is set by callrouter')
    return name


def header_fields(headers: dict[str, Secret]) -> dict[str, Secret]:
    """Return *headers*; raise ValueError when one cannot be sent."""
    for name, value in headers.items():
        header_name(name)
        if not re.fullmatch(r"[\x20-\x7e\xa0-\xff]*", value.reveal()):
            raise ValueError(f'the header "{name}" has characters that HTTP forbids')
    return headers
