"""What is wrong with a setting of a ``type: http`` destination, by itself or beside others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationInfo

from plugins.http.auth import Auth
from plugins.http.headers import TOKEN, header_name
from router.plugin import Secret, check_secret

#: What nobody expects a body of; DELETE and OPTIONS may have one.
_NEVER_A_BODY = {"GET", "HEAD", "TRACE"}
#: With these nothing is sent unless the operator says what.
WITHOUT_BODY = {*_NEVER_A_BODY, "DELETE", "OPTIONS"}


def method(method: str) -> str:
    """Return *method* in capitals; raise ValueError when it is none."""
    if not TOKEN.fullmatch(method) or method.upper() == "CONNECT":
        raise ValueError(f'"{method}" is no method; write for example POST, PUT, PATCH, GET or DELETE')
    return method.upper()


def _known(info: ValidationInfo, name: str, otherwise: Any) -> Any:
    """Return the setting *name*; *otherwise* where it is wrong itself, or this is checked alone."""
    value = (info.data or {}).get(name)
    return otherwise if value is None else value


def sent(value: Any, info: ValidationInfo) -> Any:
    """Refuse a body where there is none, and what says otherwise what is sent."""
    if not value:
        return value
    method = _known(info, "method", "POST")
    if method in _NEVER_A_BODY:
        raise ValueError(f"a {method} has no body; values can stand in the url: …?from={{{{ event.from }}}}")
    if info.field_name == "form" and _known(info, "body", None):
        raise ValueError("there is a body as well; remove one of them")
    if info.field_name == "envelope" and _known(info, "form", None):
        raise ValueError("a form cannot be in an envelope; remove one of them")
    if info.field_name != "body" and "content-type" in map(str.lower, _known(info, "headers", {})):
        raise ValueError(f"the {info.field_name} has a content type of its own; remove Content-Type from headers")
    return value


def one_of_each(name: str | None, info: ValidationInfo) -> str | None:
    """Refuse the name of a header that is given already."""
    if name is not None:
        _not_given_before([header_name(name)], info)
    return name


def of_one_voice(auth: Auth | None, info: ValidationInfo) -> Auth | None:
    """Refuse credentials that stand somewhere else as well."""
    if auth is not None:
        fills = list(auth.fills())
        _not_given_before(fills, info)
        url = _known(info, "url", None)
        if "authorization" in map(str.lower, fills) and url and re.match(r"https?://[^/?#]*@", url.reveal()):
            raise ValueError("the url has user and password as well; remove one of them")
    return auth


def _not_given_before(names: list[str], info: ValidationInfo) -> None:
    given = {*_known(info, "headers", {}), *filter(None, [_known(info, "idempotency_header", None)])}
    taken = {"content-type", *map(str.lower, given)}
    for name in names:
        if name.lower() in taken:
            raise ValueError(f'the header "{name}" is given twice; remove one of them')
        taken.add(name.lower())


def signing_secrets(secrets: tuple[Secret, ...]) -> tuple[Secret, ...]:
    """Refuse what is no Standard Webhooks secret."""
    for secret in secrets:
        check_secret(secret)
    return secrets


def as_list(value: Any) -> Any:
    """Return one value as a list of it."""
    return [value] if isinstance(value, (str, Secret)) else value


def expected(value: Any) -> Any:
    """Return path → what may stand there, as JSON writes it."""
    if not isinstance(value, Mapping):
        text = "it names what a 2xx answer says: {ok: true}. Statuses stand in answers: {2xx: dead, 200: done}"
        raise ValueError(text)  # noqa: TRY004  # pydantic takes nothing else for a wrong value
    several = {name: each if isinstance(each, (list, tuple)) else [each] for name, each in value.items()}
    return {name: [_text(one) for one in each] for name, each in several.items()}


def _text(value: Any) -> Any:
    """Return *value* as JSON writes it, as far as YAML or Python has another word for it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) if isinstance(value, (int, float)) else value
