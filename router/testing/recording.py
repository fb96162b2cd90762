"""Ways out that send nothing and keep what a plugin would have sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from typing import Any

from router.plugin import Answer, MailServer, Secret


@dataclass(frozen=True, slots=True)
class Request:
    """One request a plugin made. Header names are lower case, secrets are their text."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class RecordingHttp:
    """An ``Http`` that sends nothing: it keeps each request and gives the next of *answers*, the last one for ever.

    An answer is an ``Answer``, an exception to raise, or a function that is given the ``Request`` and returns or
    raises one. Without answers it is an empty 200.
    """

    def __init__(self, *answers: Answer | Exception | Callable[[Request], Answer]) -> None:
        self.requests: list[Request] = []
        self._answers = list(answers) or [Answer(200, {}, b"")]

    def request(
        self,
        method: str,
        url: str | Secret,
        *,
        headers: Mapping[str, str | Secret] | None = None,
        json: Any = None,
        body: bytes | None = None,
        for_access: bool = False,  # noqa: ARG002 - what it says is for the network
    ) -> Answer:
        if json is not None and body is not None:
            raise TypeError("give json or body, not both")
        sent = {name.lower(): _text(value) for name, value in (headers or {}).items()}
        if json is not None:
            body = _dump(json)
            sent.setdefault("content-type", "application/json")
        self.requests.append(Request(method, _text(url), sent, body or b""))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Answer) else answer(self.requests[-1])


@dataclass(frozen=True, slots=True)
class SentMail:
    """One mail a plugin sent."""

    server: MailServer
    sender: str
    recipients: tuple[str, ...]
    body: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail, read."""
        return message_from_bytes(self.body, policy=default_policy)


class RecordingMail:
    """A ``Mail`` that sends nothing: it keeps each mail, and raises *failure* where one is given."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.sent: list[SentMail] = []
        self._failure = failure

    def send(self, server: MailServer, sender: str, recipients: Sequence[str], message: bytes) -> None:
        self.sent.append(SentMail(server, sender, tuple(recipients), message))
        if self._failure:
            raise self._failure


def _text(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
