"""``Http`` for plugins, over requests. One for each destination and thread; its connections are nobody else's."""

from __future__ import annotations

import http.client
import json as json_format
import logging
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import urldefragauth

from router import __version__, clock
from router.errors import AnswerLost, DeliveryFailed, DestinationUnusable, PermanentFailure, TemporaryFailure
from router.outgoing.answers import excerpt, failure
from router.outgoing.connection import POOLS, Exchange, Guarded
from router.outgoing.kept import Heard, kept
from router.outgoing.lookup import Resolve, resolve
from router.outgoing.redaction import Redaction, secrets_in
from router.outgoing.shortcut import Limits, Short, exchange, head, is_plain, read_through
from router.outgoing.tls import Pair, failure_of_tls, refusal_of_ours, tls_context
from router.plugin import Answer
from router.secret import Secret

#: An answer is cut here, after it was unpacked.
MAX_ANSWER = 1024 * 1024

#: As much of an error answer as is read for its excerpt.
MAX_ERROR = 8 * 1024

#: Plugins that write to one record each use many URLs; the prepared ones are forgotten together.
MAX_PREPARED = 256

# urllib3 logs the path of every request at DEBUG and WARNING, and in a webhook's path lies its secret.
for _name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.response", "urllib3.util.retry"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


def as_json(value: Any) -> bytes:
    """Return *value* as it is sent."""
    return json_format.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class RequestsHttp:
    """Sends requests of one destination from one thread.

    *timeout* is the time limit of the whole exchange, from looking up the name to the last byte of the answer. *ca*
    takes the place of the public certificate authorities; *certificate* is shown to who asks for one. A request
    through *proxy* (``http://…``) leaves the choice of addresses to the proxy. *answers* has the operator's words for
    some statuses. A connection that rested *keep_idle* seconds is not used again.
    """

    def __init__(
        self,
        *,
        timeout: float = 30.0,
        allow_private: bool = True,
        ca: Path | None = None,
        certificate: Pair | None = None,
        proxy: Secret | None = None,
        answers: Mapping[int, str] = MappingProxyType({}),
        keep_idle: float = 1.5,
        resolve: Resolve = resolve,
    ) -> None:
        self._timeout = timeout
        #: The time limit of the request that is under way.
        self._limit = timeout
        #: When, by the monotonic clock, the time for all requests of a batch is over; None: each has its own alone.
        self.until: float | None = None
        self._answers = answers
        self._exchange = Exchange(allow_private=allow_private, keep_idle=keep_idle, resolve=resolve)
        self._proxy = proxy
        self._proxies = {"http": proxy.reveal(), "https": proxy.reveal()} if proxy else None
        self._adapter = _Adapter(self._exchange, tls_context(ca, certificate))
        self._prepared: dict[tuple[str, str], _Request] = {}
        self._asked: tuple[str | Secret, Mapping[str, str | Secret] | None] = ("", None)
        self._for_access = False
        #: The last answer since it was set to None, whatever followed from it.
        self.heard: Heard | None = None

    def kept(self, redact: Redaction) -> dict[str, Any] | None:
        """Return what is kept of ``heard``, without the secrets of its request and those that *redact* knows."""
        return None if self.heard is None else kept(self.heard, redact.and_also(self._secrets()))

    def request(
        self,
        method: str,
        url: str | Secret,
        *,
        headers: Mapping[str, str | Secret] | None = None,
        json: Any = None,
        body: bytes | None = None,
        for_access: bool = False,
    ) -> Answer:
        address = url.reveal() if isinstance(url, Secret) else url
        self._asked, self._for_access = (url, headers), for_access
        request = self._prepare(method, address)
        fields = request.fields = _FIELDS.copy()
        if request.account:
            fields["authorization"] = ("Authorization", request.account)
        if json is not None:
            body = as_json(json)
            fields["content-type"] = ("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            fields[name.lower()] = (name, value.reveal() if isinstance(value, Secret) else value)
        if body is not None or request.verb not in _WITHOUT_BODY:
            fields["content-length"] = ("Content-Length", str(len(body or b"")))
        request.body = body
        # A failure is raised outside of every `except`, or the exception it replaces, with the URL in
        # its text, would follow it as its __context__.
        answer = self._exchanged(request)
        if isinstance(answer, DeliveryFailed):
            redact = Redaction(self._secrets())
            answer.reason = redact(answer.reason)
            answer.args = (answer.reason,)
            answer.headers = {name: redact(value) for name, value in answer.headers.items()}
            answer.body = redact(answer.body.decode("utf-8", "replace")).encode()
            raise answer
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def _secrets(self) -> list[str]:
        """Return every secret of the last request."""
        url, headers = self._asked
        # An address may carry a token, whether its plugin says so or not.
        return [*(url.hidden() if isinstance(url, Secret) else [url]), *secrets_in(headers), *secrets_in(self._proxy)]

    def _prepare(self, method: str, address: str) -> _Request:
        """Return a request ready to be filled; checking and quoting a URL costs as much as sending it."""
        request = self._prepared.get((method, address))
        if request is None:
            with suppress(requests.RequestException, ValueError):
                request = _Request(method, address, proxied=self._proxies is not None)
            if request is None:
                raise DestinationUnusable("the url is not a usable http:// or https:// address")
            if len(self._prepared) >= MAX_PREPARED:
                self._prepared.clear()
            self._prepared[method, address] = request
        return request

    def _exchanged(self, request: _Request) -> Answer | DeliveryFailed:
        self._limit = self._timeout if self.until is None else min(self._timeout, self.until - time.monotonic())
        if self._limit <= 0:
            return TemporaryFailure("the time for its batch was over before it could be sent; nothing was sent")
        self._exchange.begin(self._limit)
        answer = self._once(request)
        if isinstance(answer, TemporaryFailure) and self._exchange.reused and not self._exchange.written:
            # The server had closed a connection that was kept for this; nothing left, so this is no repetition.
            answer = self._once(request)
        return answer

    def _once(self, request: _Request) -> Answer | DeliveryFailed:
        host = request.host
        try:
            if self._proxies:  # the proxy looks up names; digits it would be sent to need no looking up
                self._exchange.check_literal(request.hostname)
            if conn := self._open_connection(request):
                return self._judged(host, exchange(conn, request.verb, request.whole(), _LIMITS))
            request.headers = requests.structures.CaseInsensitiveDict(request.fields.values())
            response = self._adapter.send(request, stream=True, timeout=self._limit, proxies=self._proxies)
        except DeliveryFailed as ex:
            return ex
        except (requests.exceptions.SSLError, ssl.SSLError) as ex:
            return self._insecure(host, ex)
        except requests.exceptions.ProxyError as ex:
            if " 407 " in str(ex):
                return DestinationUnusable(f"the proxy refused our credentials; nothing was sent to {host}", status=407)
            return TemporaryFailure(f"the proxy did not connect us to {host}")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, http.client.HTTPException) as ex:
            return self._broken(host, ex)
        except ValueError:
            return PermanentFailure(f"nothing was sent to {host}: a header or the address has characters HTTP forbids")
        raw = response.raw
        try:
            return self._judged(host, read_through(raw, _LIMITS))
        finally:
            if not raw.closed:  # what is left unread would be taken for the next answer
                raw.close()
            raw.release_conn()

    def _open_connection(self, request: _Request) -> Guarded | None:
        """Return a connection over which *request* may go at once; None where requests has to find or make one."""
        if not request.is_plain or self._proxies:
            return None
        found: Guarded | None = self._adapter.get_connection_with_tls_context(request, verify=True).at_once()
        return found

    def _insecure(self, host: str, ex: Exception) -> DeliveryFailed:
        refused = refusal_of_ours(ex)
        if refused:
            return DestinationUnusable(f"{host} refused our certificate ({refused}); nothing was delivered")
        if self._exchange.written:
            return self._broken(host, ex)
        # The certificate of a destination is mended by its owner, mostly within hours and without
        # telling us; nothing was sent, so trying on costs nothing and a pause would outlast the fault.
        return TemporaryFailure(f"no secure connection to {host}: {failure_of_tls(ex)}")

    def _broken(self, host: str, ex: Exception) -> DeliveryFailed:
        slow = self._exchange.over or isinstance(ex, (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError))
        if not self._exchange.written:
            what = f"gave no connection within {round(self._limit, 1):g}s" if slow else "broke off the connection"
            return TemporaryFailure(f"{host} {what}; nothing was sent")
        what = (
            f"did not answer within {round(self._limit, 1):g}s"
            if slow
            else "closed the connection without a whole answer"
        )
        return AnswerLost(f"{host} {what}; whether it accepted is not known")

    def _judged(self, host: str, heard: Short) -> Answer | DeliveryFailed:
        status, headers, body = heard
        answers = {} if self._for_access else self._answers
        accepted = 200 <= status < 300 and answers.get(status, "done") == "done"
        if not (accepted and self._for_access):
            self.heard = Heard(status, headers, body or b"", self._exchange.passed())
        if accepted:
            if body is None:  # a refusal may stand in the body of a 200, so half an answer is none
                lost = f"{host} answered {status} and broke off; whether it accepted is not known"
                return AnswerLost(lost, status=status)
            return Answer(status, headers, body)
        said = excerpt(body or b"", Redaction(self._secrets()))
        refused = failure(host, status, headers, said, now=clock.now(), answers=answers)
        refused.headers, refused.body = headers, (body or b"")[:MAX_ERROR]
        return refused


class _Request(requests.PreparedRequest):
    """A request to one URL, filled anew for each delivery. ``host`` is what failures may name of it."""

    def __init__(self, method: str, address: str, *, proxied: bool) -> None:
        super().__init__()
        self.prepare(method=method, url=address, hooks={"response": []})
        url = urlsplit(self.url or "")
        if url.scheme not in POOLS or not url.hostname:
            raise ValueError
        self.hostname = url.hostname
        self.host = f"{url.hostname}:{url.port}" if url.port else url.hostname
        #: What user and password in the address become, and they go nowhere else.
        self.account = self.headers.get("Authorization")
        #: What stands in the request line.
        self.line = str(urldefragauth(self.url or "") if proxied and url.scheme == "http" else self.path_url)
        self.verb = str(self.method)
        self._netloc = url.netloc.rpartition("@")[2].removesuffix(_PORTS[url.scheme])
        #: By lower-case names, as the header says them.
        self.fields: dict[str, tuple[str, str]] = {}
        self.pool: Any = None
        self.is_plain = is_plain(self.line)

    def whole(self) -> bytes:
        """Return head and body as they go over an open connection; raises ValueError for what HTTP forbids."""
        body = self.body if isinstance(self.body, bytes) else b""
        return head(self.verb, self.line, self._netloc, self.fields.values()) + body


class _Adapter(HTTPAdapter):
    """requests' adapter over our pools: one shared TLS context, no retries, nothing read from the environment.

    What requests would work out again for every request (the pool, the request line) is kept with the request, and
    no cookie is kept at all; a delivery has nothing to do with the one before it.
    """

    def __init__(self, exchange: Exchange, context: ssl.SSLContext) -> None:
        self._context = context
        self._pools = {scheme: partial(pool, exchange=exchange) for scheme, pool in POOLS.items()}
        super().__init__(pool_connections=MAX_PREPARED, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def get_connection_with_tls_context(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        if request.pool is None:
            request.pool = super().get_connection_with_tls_context(request, *args, **kwargs)
        return request.pool

    def request_url(self, request: Any, proxies: Any) -> Any:  # noqa: ARG002 - requests' signature
        return request.line

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        # The context verifies, always. requests would load the authorities into it again for each connection.
        pass

    def build_response(self, req: Any, resp: Any) -> requests.Response:  # noqa: ARG002 - requests' signature
        response = requests.Response()
        response.status_code = resp.status
        response.raw = resp
        return response


#: Methods of which nobody expects a body, so that its length goes unsaid where there is none.
_WITHOUT_BODY = {"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"}
#: What a Host header leaves out.
_PORTS = {"http": ":80", "https": ":443"}
#: What every request says, by lower-case names.
_FIELDS = {
    name.lower(): (name, value)
    for name, value in (("User-Agent", f"callrouter/{__version__}"), ("Accept", "*/*"), ("Accept-Encoding", "identity"))
}
_LIMITS = Limits(accepted=MAX_ANSWER, refused=MAX_ERROR)
