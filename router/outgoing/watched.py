"""The ways out with somebody watching: every request and mail as it left, and what was answered, without secrets."""

from __future__ import annotations

import json as json_format
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default as default_policy
from typing import Any
from urllib.parse import SplitResult, quote, quote_plus, urlsplit

from router import __version__
from router.errors import DeliveryFailed
from router.outgoing.client import RequestsHttp, as_json
from router.outgoing.kept import Heard, kept
from router.outgoing.mail import SmtpMail
from router.outgoing.redaction import Redaction, secrets_in
from router.plugin import Answer, MailServer
from router.secret import Secret

#: So many characters of what was sent are shown.
SHOWN = 4096

#: A secret no longer than this occurs in ordinary text by accident: the value of a header that is none, mostly.
_BY_ACCIDENT = 3

_HIDDEN = "<secret>"
#: Headers that are secrets, whoever put them there.
_CREDENTIALS = {"authorization", "proxy-authorization", "cookie"}
#: What an answer, a form or a query has under such a name is for the machine that asked alone: an access token, mostly.
_TELLING = re.compile(
    r"""(?ix)
    (?P<name> ["']? [\w.-]{0,40} (?: token | secret | passw | signature | api_?key | assertion | authorization )
        [\w.-]{0,40} ["']?)
    (?P<between> \s* [:=] \s*)
    (?P<value> "(?:[^"\\]|\\.)*"? | [^\s"'&,;{}\[\]]+)"""
)


@dataclass(slots=True)
class Asked:
    """One request, and what came of it."""

    method: str
    url: str | Secret
    #: As they left, but for what every request has; those that were given as secrets still are.
    headers: Mapping[str, str | Secret]
    body: bytes
    heard: Heard | None = None
    failure: DeliveryFailed | None = None

    def secrets(self) -> Iterator[str]:
        """Yield what must not be shown of it."""
        yield from secrets_in([self.url, self.headers])


@dataclass(slots=True)
class Mailed:
    """One mail, and what came of it."""

    server: MailServer
    sender: str
    recipients: Sequence[str]
    message: bytes
    failure: DeliveryFailed | None = None

    def secrets(self) -> Iterator[str]:
        """Yield what must not be shown of it."""
        yield from secrets_in(self.server.password)


@dataclass(slots=True)
class Watch:
    """What left through ``http`` and ``mail``, in this order. *begins* is told each host before it is sent anything."""

    begins: Callable[[str], None] = lambda _: None
    seen: list[Asked | Mailed] = field(default_factory=list)

    def http(self, **how: Any) -> RequestsHttp:
        """Return an ``Http`` that is watched; it is made like a RequestsHttp."""
        return _WatchedHttp(self, **how)

    def mail(self, **how: Any) -> SmtpMail:
        """Return a ``Mail`` that is watched; it is made like an SmtpMail."""
        return _WatchedMail(self, **how)

    def shown(self, hidden: Iterable[str]) -> list[dict[str, Any]]:
        """Return all of it as JSON has it, without *hidden* and without any secret of any of the requests.

        What a token endpoint answers is the secret of the next request, so all are known before the first is shown.
        """
        secrets = [*hidden, *(secret for one in self.seen for secret in one.secrets())]
        redact = Redaction(_spelled(secret for secret in secrets if len(secret) > _BY_ACCIDENT))
        return [_request(one, redact) if isinstance(one, Asked) else _mail(one, redact) for one in self.seen]


class _WatchedHttp(RequestsHttp):
    def __init__(self, watch: Watch, **how: Any) -> None:
        super().__init__(**how)
        self._watch = watch

    def request(
        self,
        method: str,
        url: str | Secret,
        *,
        headers: Mapping[str, str | Secret] | None = None,
        json: Any = None,
        body: bytes | None = None,
        **more: Any,
    ) -> Answer:
        fields: dict[str, str | Secret] = {"User-Agent": f"callrouter/{__version__}", **(headers or {})}
        if json is not None:
            body = as_json(json)
            fields = {"Content-Type": "application/json", **fields}
        asked = Asked(method, url, fields, body or b"")
        self._watch.seen.append(asked)
        self._watch.begins(_split(url).netloc.rpartition("@")[2])
        before, self.heard = self.heard, None
        try:
            answer = super().request(method, url, headers=fields, body=body, **more)
        except DeliveryFailed as ex:
            asked.failure = ex
            raise
        else:
            # Some answers are for nobody's eyes, and are not kept.
            self.heard = self.heard or Heard(answer.status, answer.headers, b"", 0.0)
            return answer
        finally:
            asked.heard, self.heard = self.heard, self.heard or before


class _WatchedMail(SmtpMail):
    def __init__(self, watch: Watch, **how: Any) -> None:
        super().__init__(**how)
        self._watch = watch

    def send(self, server: MailServer, sender: str, recipients: Sequence[str], message: bytes) -> None:
        mailed = Mailed(server, sender, recipients, message)
        self._watch.seen.append(mailed)
        self._watch.begins(server.host)
        try:
            super().send(server, sender, recipients, message)
        except DeliveryFailed as ex:
            mailed.failure = ex
            raise


def _request(asked: Asked, redact: Redaction) -> dict[str, Any]:
    text, cut = _text(asked.body, redact)
    return {
        "method": asked.method,
        "url": _address(asked.url, redact),
        "headers": {
            name: _HIDDEN if isinstance(value, Secret) or name.lower() in _CREDENTIALS else redact(value)
            for name, value in asked.headers.items()
        },
        "body": text,
        "cut": cut,
        "answer": None if asked.heard is None else _answer(asked.heard, redact),
        "failure": None if asked.failure is None else redact(asked.failure.reason),
    }


def _answer(heard: Heard, redact: Redaction) -> dict[str, Any]:
    answer = kept(heard, redact)
    return {**answer, "body": _cover(answer["body"])}


def _mail(mailed: Mailed, redact: Redaction) -> dict[str, Any]:
    server = mailed.server
    message = message_from_bytes(mailed.message, policy=default_policy)
    part = message.get_body(("plain", "html"))
    text, cut = _text(part.get_content().encode() if part is not None else mailed.message, redact)
    return {
        "server": f"{server.host}:{server.port}",
        "tls": server.tls,
        "user": server.user,
        "from": mailed.sender,
        "to": list(mailed.recipients),
        "headers": {name: redact(str(value)) for name, value in message.items()},
        "body": text,
        "cut": cut,
        "failure": None if mailed.failure is None else redact(mailed.failure.reason),
    }


def _address(url: str | Secret, redact: Redaction) -> str:
    """Return where a request went. Of an address that is a secret, only whom it belongs to."""
    split = _split(url)
    whole = f"{split.scheme}://{split.netloc.rpartition('@')[2]}"
    if isinstance(url, Secret):
        return f"{whole}/{_HIDDEN}" if split.path.strip("/") or split.query else whole
    rest = redact(split.path)
    return f"{whole}{rest}?{_cover(redact(split.query))}" if split.query else whole + rest


def _split(url: str | Secret) -> SplitResult:
    try:
        return urlsplit(url.reveal() if isinstance(url, Secret) else url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _text(body: bytes, redact: Redaction) -> tuple[str, bool]:
    """Return the beginning of *body* for a person to read, and whether it goes on."""
    try:
        text = json_format.dumps(redacted(json_format.loads(body), redact), ensure_ascii=False)
    except (ValueError, RecursionError):
        text = redact(body.decode("utf-8", "replace"))
    text = _cover(text)
    return text[:SHOWN], len(text) > SHOWN


def redacted(value: Any, redact: Redaction) -> Any:
    """Return a JSON *value* without secrets, whatever they look like once they are escaped."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(name): redacted(inner, redact) for name, inner in value.items()}
    return [redacted(inner, redact) for inner in value] if isinstance(value, list) else value


def _cover(text: str) -> str:
    def covered(match: re.Match[str]) -> str:
        quotes = '"' if match["value"].startswith('"') else ""
        return f"{match['name']}{match['between']}{quotes}{_HIDDEN}{quotes}"

    return _TELLING.sub(covered, text)


def _spelled(secrets: Iterable[str]) -> Iterator[str]:
    """Yield *secrets*, and each as a form and as JSON has it."""
    for secret in secrets:
        yield from {secret, quote(secret, safe=""), quote_plus(secret), json_format.dumps(secret)[1:-1]}
