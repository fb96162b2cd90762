"""A CRM that is asked with access tokens, which it gives for credentials and refuses when they are old."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

from router.crm.access import Access, Grant
from router.crm.addresses import form
from router.crm.plugin import Crm, S, json_of
from router.errors import AnswerLost, DeliveryFailed, DestinationUnusable, PermanentFailure, TemporaryFailure
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
        used = self.grant()
        try:
            return super().ask(method, address, json=json, writes=writes)
        except DeliveryFailed as ex:
            if not self.is_old(ex):
                raise
        Access.of(self.credentials()).drop(used)
        return super().ask(method, address, json=json, writes=writes)

    def token(self, address: str, headers: Mapping[str, str | Secret], **fields: str) -> Mapping[str, Any]:
        """Return the answer of a token *address* to a form of *fields*: it has an ``access_token``."""
        failed: DeliveryFailed | None = None
        said: Any = None
        try:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            said = json_of(self.http.request("POST", address, headers={**kind, **headers}, body=form(**fields)).body)
        except AnswerLost as ex:
            failed = TemporaryFailure(ex.reason, status=ex.status)
        except PermanentFailure as ex:
            failed = DestinationUnusable(f"the credentials are refused: {ex.reason}", status=ex.status)
            failed.body = ex.body
        if failed is not None:
            raise failed
        if not isinstance(said, dict) or not isinstance(said.get("access_token"), str):
            why = str(said.get("error")) if isinstance(said, dict) else "no JSON"
            raise DestinationUnusable(f"the credentials are refused: the answer says {why} in place of a token")
        return said
