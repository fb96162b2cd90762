"""OAuth2 client credentials: https://www.rfc-editor.org/rfc/rfc6749#section-4.4."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from router.access import Access, Grant, as_client, ask_for_token
from router.plugin import Answer, DeliveryFailed, Secret, Settings, Url, setting
from router.plugin import Http as Way

_OURS = {"grant_type", "client_id", "client_secret", "scope", "audience"}


def _fixed(url: Url) -> Url:
    if url.template is not None:
        raise ValueError("the address of tokens is one for all calls: it takes no {{ … }}")
    return url


def _others(fields: dict[str, Secret]) -> dict[str, Secret]:
    for name in _OURS & fields.keys():
        raise ValueError(f'"{name}" is sent anyway; it has a key of its own, or none')
    return fields


def _joined(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


class OAuth2(Settings):
    """Keys of ``auth: {oauth2: …}``."""

    token_url: Annotated[Url, AfterValidator(_fixed)] = setting(
        "Where access tokens are given.", example="https://login.example.com/oauth2/token"
    )
    client_id: str = setting("The client id.", example="${CRM_CLIENT_ID}")
    client_secret: Secret = setting("Its secret.", example="${CRM_CLIENT_SECRET}")
    scope: Annotated[str, BeforeValidator(_joined, json_schema_input_type=str | list[str])] | None = setting(
        "What the token is to allow: one scope, or a list.", default=None, example="calls.write"
    )
    audience: str | None = setting(
        "Whom the token is for, where the server wants to know.", default=None, example="https://crm.example.com"
    )
    credentials_in: Literal["header", "body"] = setting(
        "Where id and secret are sent: in the Authorization `header` as basic credentials, or in the `body`.",
        default="header",
    )
    fields: Annotated[dict[str, Secret], AfterValidator(_others)] = setting(
        "Further fields of the request for a token. Their values are never shown.",
        default={},
        example='{resource: "https://crm.example.com"}',
    )

    def credentials(self) -> tuple[Any, ...]:
        """Return what a token is given for: all destinations with the same share it."""
        return (OAuth2, self.token_url, self.client_id, self.client_secret, self.scope, self.audience,
                self.credentials_in, frozenset(self.fields.items()))  # fmt: skip

    def fetch(self, http: Way) -> Grant:
        """Return a new token; raise DestinationUnusable when the credentials are refused."""
        fields = {"grant_type": "client_credentials", **{name: value.reveal() for name, value in self.fields.items()}}
        fields |= {name: value for name, value in (("scope", self.scope), ("audience", self.audience)) if value}
        headers: Mapping[str, Secret] = {}
        if self.credentials_in == "body":
            fields |= {"client_id": self.client_id, "client_secret": self.client_secret.reveal()}
        else:
            headers = {"Authorization": as_client(self.client_id, self.client_secret)}
        said = ask_for_token(http, self.token_url, fields, headers)
        return Grant(Secret(said["access_token"]), lasts=_seconds(said.get("expires_in")))

    def use(self, http: Way, send: Callable[[Secret], Answer]) -> Answer:
        """Return what *send* makes of the ``Authorization`` header; after a 401 it is given a new one, once."""
        return Access.of(self.credentials()).use(
            lambda: self.fetch(http), lambda grant: send(Secret(f"Bearer {grant.token.reveal()}")), _is_old
        )


def _is_old(refused: DeliveryFailed) -> bool:
    return refused.status == 401


def _seconds(lasts: Any) -> float | None:
    """Return for how long a token is good. Some servers say it in quotes, some not at all."""
    try:
        return None if isinstance(lasts, bool) else max(0.0, float(lasts))
    except (TypeError, ValueError):
        return None
