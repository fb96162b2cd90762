"""Access tokens that expire: one for all threads of a process, fetched by one of them while the others wait.

Who gives tokens gives a handful in ten minutes and throws away older ones; a token for each thread would have every
thread's requests refused in turn. Plugins whose destination wants such tokens may import this.
"""

from __future__ import annotations

import contextlib
import copy
import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote_plus

from router.errors import AnswerLost, DeliveryFailed, DestinationUnusable, TemporaryFailure
from router.places import form
from router.plugin import Http, Secret

#: Seconds before its end at which a token is no longer used.
MARGIN = 300.0
#: Seconds for which a refusal is the answer to all who ask.
REFUSED_FOR = 15.0
#: What a server of tokens says (https://www.rfc-editor.org/rfc/rfc6749#section-5.2) when it refuses nobody, whatever
#: its status.
_PASSING = {"temporarily_unavailable", "server_error", "slow_down"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token, the address it is for, and for how many seconds it lasts (None: until it is refused)."""

    token: Secret
    address: str = ""
    lasts: float | None = None


class Access:
    """The token that was got with one set of credentials."""

    _all: dict[Hashable, Access] = {}  # noqa: RUF012 - shared by all threads, which is the point
    _lock = threading.Lock()

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._mine = threading.Lock()
        self._grant: Grant | None = None
        self._ends = 0.0
        self._refusal: DeliveryFailed | None = None
        self._refused_until = 0.0

    @classmethod
    def of(cls, credentials: Hashable) -> Access:
        """Return the one of these *credentials* in this process."""
        with cls._lock:
            return cls._all.setdefault(credentials, cls())

    def get(self, fetch: Callable[[], Grant]) -> Grant:
        """Return a token that is thought good; one thread at a time calls *fetch* for a new one.

        Raises what *fetch* raises, and the same again for a quarter of a minute without calling it.
        """
        with self._mine:
            if self._grant is not None and self._now() < self._ends:
                return self._grant
            if self._refusal is not None and self._now() < self._refused_until:
                raise _again(self._refusal, self._refused_until - self._now())
            try:
                grant = fetch()
            except DeliveryFailed as ex:
                self._refusal, self._refused_until = ex.with_traceback(None), self._now() + REFUSED_FOR
                raise
            lasts = float("inf") if grant.lasts is None else max(grant.lasts - MARGIN, grant.lasts / 2)
            self._grant, self._ends, self._refusal = grant, self._now() + lasts, None
            return grant

    def drop(self, grant: Grant) -> None:
        """Do not use *grant* again. Nothing happens when another thread has fetched a newer one meanwhile."""
        with self._mine:
            if self._grant is grant:
                self._grant = None

    def use(
        self, fetch: Callable[[], Grant], send: Callable[[Grant], T], is_old: Callable[[DeliveryFailed], bool]
    ) -> T:
        """Return what *send* makes of a token. Where *is_old* says so of its failure, it is given a new one, once."""
        used = self.get(fetch)
        try:
            return send(used)
        except DeliveryFailed as ex:
            if not is_old(ex):
                raise
        self.drop(used)
        return send(self.get(fetch))


def basic(user: str, password: Secret) -> Secret:
    """Return the ``Authorization`` header of basic credentials."""
    return Secret(f"Basic {b64encode(f'{user}:{password.reveal()}'.encode()).decode()}")


def as_client(client_id: str, client_secret: Secret) -> Secret:
    """Return the ``Authorization`` header of an OAuth2 client.

    Both parts are quoted as in a form before they are joined (https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1).
    """
    return basic(quote_plus(client_id), Secret(quote_plus(client_secret.reveal())))


def ask_for_token(
    http: Http, address: str | Secret, fields: Mapping[str, str], headers: Mapping[str, str | Secret]
) -> Mapping[str, Any]:
    """Return what the token *address* answers to a form of *fields*: it has an ``access_token``.

    Raises DestinationUnusable when it refuses, and TemporaryFailure when it cannot say now: nothing was sent to the
    destination yet, so a lost answer is no doubt about anything.
    """
    failed: DeliveryFailed | None = None
    said: Mapping[str, Any] = {}
    try:
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answer = http.request("POST", address, headers={**kind, **headers}, body=form(fields), for_access=True)
        said = _object(answer.body)
    except DeliveryFailed as ex:
        failed = _meaning(ex)
    if failed is not None:
        raise failed
    if isinstance(said.get("access_token"), str) and said["access_token"]:
        return said
    if said.get("error") in _PASSING:
        raise TemporaryFailure(f"no access token: the answer says {said['error']}")
    if "error" in said:
        raise DestinationUnusable(f"the credentials are refused: the answer says {said['error']} in place of a token")
    raise DestinationUnusable("no access token: there is none in the answer; is the address right?")


def _meaning(refused: DeliveryFailed) -> DeliveryFailed:
    """Return what *refused*, the failure of a request for a token, means for the destination."""
    reason = f"no access token: {refused.reason}"
    passing = isinstance(refused, (TemporaryFailure, AnswerLost)) or _object(refused.body).get("error") in _PASSING
    if passing:
        wait = getattr(refused, "retry_after", None)
        return TemporaryFailure(reason, status=refused.status, retry_after=wait)
    if refused.status in (400, 401, 403):
        reason = f"the credentials are refused: {refused.reason}"
    unusable = DestinationUnusable(reason, status=refused.status)
    unusable.body = refused.body
    return unusable


def _object(body: bytes) -> Mapping[str, Any]:
    """Return the JSON object in *body*; where there is none, an empty one."""
    with contextlib.suppress(ValueError):
        said = json.loads(body)
        if isinstance(said, dict):
            return said
    return {}


def _again(refusal: DeliveryFailed, rest: float) -> DeliveryFailed:
    again = copy.copy(refusal)
    if isinstance(again, TemporaryFailure) and again.retry_after is None:
        again.retry_after = rest
    return again
