"""Is a request from the source it names? One class per way to tell; a source may demand several."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal, Protocol

from router import signature
from router.errors import NotAuthentic
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
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        # Every place is looked at, so that a proxy's own Authorization does not hide the token in the query.
        given = [
            credential.strip() if scheme.lower() == "bearer" else None,
            request.headers.get("x-callrouter-token"),
            request.query.get("token"),
        ]
        if not any(_same(text, self.token) for text in given if text is not None):
            raise NotAuthentic("the token is missing or wrong")


@dataclass(frozen=True, slots=True)
class Basic:
    """``auth: {basic: {user: …, password: …}}``."""

    user: str
    password: Secret

    def verify(self, request: Request) -> None:
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        expected = f"{self.user}:{self.password.reveal()}".encode()
        try:
            given = base64.b64decode(credential.strip(), validate=True) if scheme.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            given = b""
        if not hmac.compare_digest(given, expected):
            raise NotAuthentic("user or password is missing or wrong")


@dataclass(frozen=True, slots=True)
class Header:
    """``auth: {header: {name: …, value: …}}``."""

    name: str
    value: Secret

    def verify(self, request: Request) -> None:
        given = request.headers.get(self.name.lower())
        if given is None or not _same(given, self.value):
            raise NotAuthentic(f'the header "{self.name}" is missing or wrong')


@dataclass(frozen=True, slots=True)
class Hmac:
    """``auth: {hmac: {header: …, secret: …, algorithm: sha256, encoding: hex, prefix: ""}}``, over the raw body."""

    header: str
    secret: Secret
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""

    def verify(self, request: Request) -> None:
        given = request.headers.get(self.header.lower(), "")
        digest = hmac.digest(self.secret.reveal().encode(), request.body, self.algorithm)
        expected = digest.hex().encode() if self.encoding == "hex" else base64.b64encode(digest)
        signed = given.removeprefix(self.prefix).strip()
        if self.encoding == "hex":
            signed = signed.lower()
        matches = hmac.compare_digest(_bytes(signed), expected)
        if not given.startswith(self.prefix) or not matches:
            raise NotAuthentic(f'the signature in the header "{self.header}" is missing or wrong')


@dataclass(frozen=True, slots=True)
class StandardWebhooks:
    """``auth: {standard-webhooks: [secret, …]}``: any of several secrets, so that they can be rotated."""

    secrets: tuple[Secret, ...]
    #: Seconds a timestamp may be off, either way (the specification's own libraries use five minutes).
    tolerance: float = 300.0

    def verify(self, request: Request) -> None:
        identifier = request.headers.get("webhook-id", "")
        timestamp = request.headers.get("webhook-timestamp", "")
        signatures = request.headers.get("webhook-signature", "")
        if not (identifier and timestamp and signatures):
            raise NotAuthentic("webhook-id, webhook-timestamp or webhook-signature is missing")
        # isdecimal() alone takes digits of every script; more than 15 are no moment.
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 15):
            raise NotAuthentic("webhook-timestamp is not a whole number of seconds")
        if not signature.verify(self.secrets, identifier, timestamp, signatures, request.body):
            raise NotAuthentic("no signature in webhook-signature is right")
        if abs(request.now - int(timestamp)) > self.tolerance:
            raise NotAuthentic(f"webhook-timestamp is more than {self.tolerance:g} seconds off")


@dataclass(frozen=True, slots=True)
class Allow:
    """``auth: {allow: [addresses and networks]}``."""

    networks: tuple[IPv4Network | IPv6Network, ...]

    def verify(self, request: Request) -> None:
        remote = request.remote
        # A listener on [::] sees IPv4 senders as ::ffff:192.0.2.1.
        if isinstance(remote, IPv6Address) and remote.ipv4_mapped is not None:
            remote = remote.ipv4_mapped
        if remote is None or not any(remote in network for network in self.networks):
            raise NotAuthentic(f"the address {remote or 'of the sender'} is not allowed")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")


def _same(given: str, expected: Secret) -> bool:
    # As bytes: on text that is not ASCII, compare_digest raises instead of comparing.
    return hmac.compare_digest(_bytes(given), _bytes(expected.reveal()))
