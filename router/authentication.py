"""Is a request from the source it names? One class per way to tell; a source may demand several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal, Protocol

from router.secret import Secret


@dataclass(frozen=True, slots=True)
class Request:
    """What a check may look at. Header names are lower case; ``remote`` is the sender behind trusted proxies."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    remote: IPv4Address | IPv6Address | None
    now: float


class Authentication(Protocol):
    """One way to tell a source from a stranger."""

    def verify(self, request: Request) -> None:
        """Return when *request* carries what is demanded; raise NotAuthentic otherwise, whatever was malformed."""


@dataclass(frozen=True, slots=True)
class Token:
    """``auth: {token: …}``: in ``Authorization: Bearer``, in ``X-Callrouter-Token``, or as ``?token=``."""

    token: Secret

    def verify(self, request: Request) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Basic:
    """``auth: {basic: {user: …, password: …}}``."""

    user: str
    password: Secret

    def verify(self, request: Request) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Header:
    """``auth: {header: {name: …, value: …}}``."""

    name: str
    value: Secret

    def verify(self, request: Request) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Hmac:
    """``auth: {hmac: {header: …, secret: …, algorithm: sha256, encoding: hex, prefix: ""}}``, over the raw body."""

    header: str
    secret: Secret
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""

    def verify(self, request: Request) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class StandardWebhooks:
    """``auth: {standard-webhooks: [secret, …]}``: any of several secrets, so that they can be rotated."""

    secrets: tuple[Secret, ...]
    #: Seconds a timestamp may be off, either way (the specification's own libraries use five minutes).
    tolerance: float = 300.0

    def verify(self, request: Request) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Allow:
    """``auth: {allow: [addresses and networks]}``."""

    networks: tuple[IPv4Network | IPv6Network, ...]

    def verify(self, request: Request) -> None:
        raise NotImplementedError
