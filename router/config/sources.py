"""The ``sources:`` block: who may tell us of calls, and how each proves itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from router import signature
from router.authentication import Allow, Authentication, Basic, Header, Hmac, StandardWebhooks, Token
from router.config import scalars
from router.config.fields import Fields, check_name
from router.config.located import Block, Text, Value, texts
from router.config.model import Address, Source
from router.config.problems import Problems
from router.event import ALERT, ALERT_SOURCE, OWN_TYPES
from router.secret import Secret

_KEYS = ("auth", "validation", "accept_types", "invalid")
_WAYS = ("token", "basic", "header", "hmac", "standard-webhooks", "allow")
_HARMLESS = ("user", "name", "header", "algorithm", "encoding", "prefix")


def read_sources(sources: Block, listen: Address, problems: Problems) -> dict[str, Source]:
    """Return every source by its name, as far as it could be read."""
    found = {}
    for name, value in sources.items():
        key = sources.key(name)
        check_name("source", key, problems)
        if name == ALERT_SOURCE:
            problems.error(
                key, f'"{name}" cannot be the name of a source: alerts come from it', "call it something else"
            )
        # `wavix:` with nothing after it is a source that takes every default.
        block: Value = _empty(key) if isinstance(value, Text) and value.null else value
        if isinstance(block, Block):
            found[str(name)] = _source(key, block, listen, problems)
        else:
            problems.error(block, f'source "{name}" needs a block of keys', f"allowed are {', '.join(_KEYS)}")
    return found


def _empty(key: Text) -> Block:
    block = Block()
    block.place = key.place
    return block


def _source(key: Text, block: Block, listen: Address, problems: Problems) -> Source:
    fields = Fields(block, problems, where=f'source "{key}"', known=_KEYS)
    if "auth" not in block and not scalars.is_loopback(listen):
        problems.error(
            key, f'source "{key}" has no auth, and {listen} can be reached from other machines',
            'add auth: {token: "${TOKEN}"}, or say auth: none aloud',
        )  # fmt: skip
    validation: Any = fields.read("validation", scalars.choice("documented", "lenient", "strict"), "documented")
    invalid: Any = fields.read("invalid", scalars.choice("refuse", "accept"), "refuse")
    return Source(
        str(key),
        _authentication(fields, f'auth of source "{key}"', problems),
        validation,
        frozenset(fields.each("accept_types", _event_type)),
        invalid,
    )


def _event_type(value: str) -> str:
    if value in OWN_TYPES or value == ALERT:
        raise ValueError(f'"{value}" is an event of callrouter\'s own; no source may send it')
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", value):
        raise ValueError(f'"{value}" is no event type: it has letters, digits, "_", "." and "-"')
    return value


def _authentication(fields: Fields, where: str, problems: Problems) -> tuple[Authentication, ...]:
    value = fields.value("auth")
    if value is None or value == "none":
        return ()
    _hide_secrets(value, problems)
    if not isinstance(value, Block):
        problems.error(value, f"{where} is neither a block of keys nor none", 'write auth: {token: "${TOKEN}"}')
        return ()
    if not value:
        problems.error(value, f"{where} is empty", f"name at least one of {', '.join(_WAYS)}, or say auth: none")
    inner = Fields(value, problems, where=where, known=_WAYS)
    found = [_WAY_READERS[way](inner, way) for way in _WAYS if way in value]
    return tuple(one for one in found if one is not None)


def _hide_secrets(auth: Value, problems: Problems) -> None:
    """Keep everything but the settings known to be harmless out of excerpts; a mistyped key may hold a secret too."""
    for way, value in auth.items() if isinstance(auth, Block) else [("", auth)]:
        for key, inner in value.items() if isinstance(value, Block) else [("", value)]:
            if way != "allow" and key not in _HARMLESS:
                for text in texts(inner):
                    problems.hide(text)


def _token(fields: Fields, way: str) -> Authentication | None:
    token = fields.read(way, _secret)
    return Token(token) if token else None


def _basic(fields: Fields, way: str) -> Authentication | None:
    inner = _parts(fields, way, ("user", "password"))
    user, password = inner and inner.read("user", scalars.text), inner and inner.read("password", _secret)
    return Basic(user, password) if user and password else None


def _header(fields: Fields, way: str) -> Authentication | None:
    inner = _parts(fields, way, ("name", "value"))
    name, value = inner and inner.read("name", _header_name), inner and inner.read("value", _secret)
    return Header(name, value) if name and value else None


def _hmac(fields: Fields, way: str) -> Authentication | None:
    inner = _parts(fields, way, ("header", "secret"), ("algorithm", "encoding", "prefix"))
    if inner is None:
        return None
    header, secret = inner.read("header", _header_name), inner.read("secret", _secret)
    algorithm: Any = inner.read("algorithm", scalars.choice("sha1", "sha256", "sha512"), "sha256")
    encoding: Any = inner.read("encoding", scalars.choice("hex", "base64"), "hex")
    prefix = inner.read("prefix", str, "")
    return Hmac(header, secret, algorithm, encoding, prefix) if header and secret else None


def _standard_webhooks(fields: Fields, way: str) -> Authentication | None:
    secrets = fields.each(way, _signing_secret)
    return StandardWebhooks(tuple(secrets)) if secrets else None


def _allow(fields: Fields, way: str) -> Authentication | None:
    networks = fields.each(way, scalars.network)
    return Allow(tuple(networks)) if networks else None


_WAY_READERS: dict[str, Callable[[Fields, str], Authentication | None]] = {
    "token": _token, "basic": _basic, "header": _header, "hmac": _hmac, "standard-webhooks": _standard_webhooks,
    "allow": _allow,
}  # fmt: skip


def _parts(fields: Fields, way: str, required: tuple[str, ...], others: tuple[str, ...] = ()) -> Fields | None:
    inner = fields.inner(way, (*required, *others))
    if inner is not None:
        for name in required:
            inner.require(name, fields.key(way), f"{way} needs {' and '.join(required)}")
    return inner


def _secret(value: str) -> Secret:
    if not value:
        raise ValueError("a secret is empty")
    return Secret(value)


def _signing_secret(value: str) -> Secret:
    secret = _secret(value)
    signature.check_secret(secret)
    return secret


def _header_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", value):
        raise ValueError(f'"{value}" is no name of a header')
    return value.lower()
