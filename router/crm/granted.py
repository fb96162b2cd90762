"""A CRM that is asked with access tokens, which it gives for credentials and refuses when they are old."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

from router.access import Access, Grant, ask_for_token
from router.crm.plugin import Crm, S
from router.errors import DeliveryFailed
from router.plugin import Secret


class GrantedCrm(Crm[S]):
    """Fetches an access token when one is needed, and a new one, once, when the CRM takes the old one no more."""

    #: What stands before the token in the Authorization header.
    scheme: ClassVar[str] = "Bearer"

    @abstractmethod
    def credentials(self) -> Hashable:
        """Return what a token is given for: destinations with the same share it."""

    @abstractmethod
    def fetch(self) -> Grant:
        """Return a new token; raise DestinationUnusable when the credentials are refused."""

    @abstractmethod
    def is_old(self, refused: DeliveryFailed) -> bool:
        """Return whether *refused* says that the token is old."""

    def headers(self) -> Mapping[str, str | Secret]:
        return {"Authorization": Secret(f"{self.scheme} {self.grant().token.reveal()}")}

    def grant(self) -> Grant:
        """Return the token in use, a new one where there is none."""
        return Access.of(self.credentials()).get(self.fetch)

    def ask(self, method: str, address: str, *, json: Any = None, writes: bool = False) -> Any:
        ask = super().ask
        access = Access.of(self.credentials())
        return access.use(self.fetch, lambda _: ask(method, address, json=json, writes=writes), self.is_old)

    def token(self, address: str, headers: Mapping[str, str | Secret], **fields: str) -> Mapping[str, Any]:
        """Return the answer of a token *address* to a form of *fields*: it has an ``access_token``."""
        return ask_for_token(self.http, address, fields, headers)
