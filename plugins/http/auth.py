"""How a destination knows callrouter: ``auth:``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo, model_validator

from plugins.http.oauth2 import OAuth2
from plugins.http.signing import Hmac
from router.access import basic
from router.plugin import Secret, Settings, setting


def _user(user: str) -> str:
    if ":" in user:
        raise ValueError("basic credentials end the user at a colon, so there can be none in it")
    return user


def _no_more_than_a_token(token: Secret | None) -> Secret | None:
    if token is not None and not re.fullmatch(r"[\x21-\x7e]+", token.reveal()):
        raise ValueError("a token has neither spaces nor line ends; write it alone, without the word Bearer")
    return token


class Basic(Settings):
    """Keys of ``auth: {basic: …}``."""

    user: Annotated[str, AfterValidator(_user)] = setting("The user.", example="callrouter")
    password: Secret = setting("The password.", example="${CRM_PASSWORD}")


def _alone(value: OAuth2 | Secret | None, info: ValidationInfo) -> OAuth2 | Secret | None:
    for other in ("basic", "bearer"):
        if value is not None and (info.data or {}).get(other) is not None:
            raise ValueError(f"there is one Authorization header, and {other} fills it in already; remove one of them")
    return value


class Auth(Settings):
    """Keys of ``auth:``."""

    basic: Basic | None = setting("User and password.", default=None)
    bearer: Annotated[Secret | None, AfterValidator(_no_more_than_a_token), AfterValidator(_alone)] = setting(
        "A token that does not expire.", default=None, example="${CRM_TOKEN}"
    )
    oauth2: Annotated[OAuth2 | None, AfterValidator(_alone)] = setting(
        "Client credentials, for which access tokens are fetched.", default=None
    )
    hmac: Hmac | None = setting("A signature over the body. It may stand beside one of the others.", default=None)

    @model_validator(mode="after")
    def _not_empty(self) -> Auth:
        if not any((self.basic, self.bearer, self.oauth2, self.hmac)):
            raise ValueError("it is empty; name basic, bearer, oauth2 or hmac")
        return self

    def authorization(self) -> Secret | None:
        """Return the Authorization header that is always the same; None where there is none such."""
        if self.basic is not None:
            return basic(self.basic.user, self.basic.password)
        return Secret(f"Bearer {self.bearer.reveal()}") if self.bearer is not None else None

    def fills(self) -> Iterator[str]:
        """Yield the names of the headers it fills in."""
        if self.basic or self.bearer or self.oauth2:
            yield "Authorization"
        if self.hmac:
            yield self.hmac.header
            yield from filter(None, [self.hmac.timestamp_header])
