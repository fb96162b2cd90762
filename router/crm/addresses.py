"""Addresses out of parts, each quoted: an id out of an event must not lead to another place."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode


def join(address: str, *parts: str, **query: str | int) -> str:
    """Return *address* followed by *parts*, one step each, and by *query*."""
    path = "".join(f"/{quote(part, safe='')}" for part in parts)
    asked = f"?{urlencode(query, quote_via=quote)}" if query else ""
    return f"{address.rstrip('/')}{path}{asked}"


def https(address: str) -> str:
    """Return *address* without a slash at its end; raise ValueError when a CRM cannot be there."""
    if not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s?#]*)?", address):
        raise ValueError("an address starts with https:// and has no ? in it")
    return address.rstrip("/")
