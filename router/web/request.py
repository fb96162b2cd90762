"""A request as it comes: the whole body or none of it, and the address of whoever sent it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, NamedTuple

import falcon
import falcon.asgi

#: A call event is a few kilobytes; anything larger is a mistake or an attack.
MOST_BYTES = 256 * 1024
#: What is read and thrown away of a body that is too large, so that its sender gets to hear why.
_MOST_DISCARDED = 4 * 2**20
#: How long a whole body may take to arrive.
_PATIENCE = 30.0


class Incoming(falcon.asgi.Request):
    """Falcon's request, with a body that is never taken for whole when it was cut off."""

    def __init__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        first_event: Any = None,
        options: Any = None,
    ) -> None:
        try:
            super().__init__(scope, receive, first_event, options)
        except UnicodeDecodeError:
            # Falcon takes a query for UTF-8 before anybody could answer 400.
            scope["query_string"] = scope["query_string"].decode("latin-1").encode("ascii", "replace")
            super().__init__(scope, receive, first_event, options)
        self._next_event = receive
        self._event = first_event

    async def body(self) -> bytes:
        """Return the whole body; raises HTTPError (413, 408) when it is too large or does not arrive in time.

        Falcon's own ``stream`` ends alike for a body that is complete and one that was cut off.
        """
        event = self._event
        if not event.get("more_body"):
            body: bytes = event.get("body", b"")
            if len(body) <= MOST_BYTES:
                return body
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._rest()
        except TimeoutError:
            raise falcon.HTTPError(408, description=f"The body took more than {_PATIENCE:g} seconds.") from None

    async def _rest(self) -> bytes:
        chunks, size, event = [], 0, self._event
        while True:
            chunk = event.get("body", b"")
            size += len(chunk)
            if size <= MOST_BYTES:
                chunks.append(chunk)
            if not event.get("more_body") or size > _MOST_DISCARDED:
                break
            event = await self._next_event()
            if event["type"] == "http.disconnect":
                raise falcon.HTTPError(408, description="The body did not arrive whole.")
        if size > MOST_BYTES:
            raise falcon.HTTPContentTooLarge(description=f"The limit is {MOST_BYTES} bytes.")
        return b"".join(chunks)


class Headers(Mapping[str, str]):
    """The headers of a request by their names in lower case, decoded when they are asked for."""

    __slots__ = ("_request",)

    def __init__(self, request: falcon.asgi.Request) -> None:
        self._request = request

    def __getitem__(self, name: str) -> str:
        # A name that is not ASCII names no header; Falcon would raise UnicodeEncodeError for some of them.
        value = self._request.get_header(name) if name.isascii() else None
        if value is None:
            raise KeyError(name)
        # Falcon decodes as the old RFCs say; operators write their secrets in UTF-8.
        return value if value.isascii() else value.encode("latin-1").decode("utf-8", "replace")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name, _ in self._request.scope["headers"])

    def __len__(self) -> int:
        return len(self._request.scope["headers"])


class Sender(NamedTuple):
    """Who sent a request. ``address`` is None, and ``text`` empty, when that cannot be told."""

    address: IPv4Address | IPv6Address | None
    text: str


def sender(req: falcon.asgi.Request, trusted: Sequence[IPv4Network | IPv6Network]) -> Sender:
    """Return who sent *req*: the peer, or the rightmost stranger in X-Forwarded-For behind *trusted* proxies.

    Nobody, when the nearest hop that a trusted proxy names is no address.
    """
    client = req.scope.get("client")
    found = _sender(client[0]) if client else _NOBODY
    if not trusted or not _is_in(found.address, trusted):
        return found
    hops = (req.get_header("X-Forwarded-For") or "").split(",")
    for hop in reversed([hop.strip() for hop in hops if hop.strip()]):
        found = _sender(hop)
        if not _is_in(found.address, trusted):
            break
    return found


def _is_in(address: IPv4Address | IPv6Address | None, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return address is not None and any(address in network for network in networks)


_NOBODY = Sender(None, "")


@lru_cache(4096)
def _sender(text: str) -> Sender:
    """Read an address, with or without a port; an IPv4 address in IPv6 clothes is one of IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return _NOBODY
    address = (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
    return Sender(address, str(address))
