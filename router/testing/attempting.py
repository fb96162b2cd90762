"""Makes attempts with a plugin that is checked, and notices what none may do: show a secret, or take long."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from router.errors import AnswerLost, DeliveryFailed, DestinationUnusable, PermanentFailure, TemporaryFailure
from router.outgoing import secrets_in
from router.plugin import Answer, Delivery, Plugin, Receipt, Secret, Settings
from router.testing.recording import RecordingHttp, RecordingMail, Request

Answers = tuple[Answer | Exception | Callable[[Request], Answer], ...]

#: A shorter secret stands in ordinary text by accident.
_SHORTEST_SECRET = 4
#: What http and mail raise, one of each kind.
FAILURES = (
    TemporaryFailure("crm.example answered 503 Service Unavailable", status=503, retry_after=3.0),
    PermanentFailure("crm.example answered 404 Not Found", status=404),
    DestinationUnusable("crm.example answered 401 Unauthorized", status=401),
    AnswerLost("crm.example did not answer within 30s; whether it accepted is not known"),
)
#: Of what is quoted from a plugin.
_LONGEST = 300


class Hung(Exception):
    """An attempt did not end; the thread it runs in is still there, and nothing else can be checked."""


@dataclass(slots=True)
class Ended:
    """One attempt: what came of it, and what it did."""

    http: RecordingHttp
    mail: RecordingMail
    receipt: Any = None
    failed: DeliveryFailed | None = None
    #: What the plugin raised that is no failure of a delivery.
    bug: BaseException | None = None

    @property
    def told(self) -> bool:
        """Whether anything was asked of http or mail."""
        return bool(self.http.requests or self.mail.sent)


class Attempting:
    """Attempts at one destination of *plugin*. ``leaks`` and ``slow`` gather what was wrong with any of them."""

    def __init__(self, plugin: type[Plugin[Any]], settings: Settings, answers: Answers, time_limit: float) -> None:
        self.plugin = plugin
        self.settings = settings
        self._answers = answers
        self._time_limit = time_limit
        self._secrets = {secret for secret in secrets_in(settings) if len(secret) >= _SHORTEST_SECRET}
        self.leaks: dict[str, None] = {}
        self.slow: list[str] = []

    def with_settings(self, settings: Settings) -> Attempting:
        """Return one with other *settings* that gathers into the same ``leaks`` and ``slow``."""
        other = Attempting(self.plugin, settings, self._answers, self._time_limit)
        other.leaks, other.slow = self.leaks, self.slow
        return other

    def http(self, *answers: Answer | Exception) -> RecordingHttp:
        """Return a way out that gives *answers*, by default those of the destination."""
        return _Listening(self._secrets, *(answers or self._answers))

    def made(self, http: RecordingHttp, mail: RecordingMail) -> Plugin[Any]:
        """Return the plugin, as a sender makes it; raises whatever it raises."""
        made = self.plugin(self.settings, http, *([mail] if self.plugin.uses_mail else []))
        shown = "\n".join((repr(made), str(made), repr(made.settings), str(made.settings)))
        self._look_for_secrets("its repr", shown)
        return made

    def deliver(
        self, what: str, delivery: Delivery, http: RecordingHttp | None = None, mail: RecordingMail | None = None
    ) -> Ended:
        """Return how one attempt with a plugin made anew ended."""
        ended = Ended(http or self.http(), mail or RecordingMail())
        try:
            made = self.made(ended.http, ended.mail)
        except Exception as ex:  # noqa: BLE001  # the very thing that is looked for
            ended.bug = ex
            return ended
        return self.attempt(what, made, delivery, ended)

    def attempt(self, what: str, made: Plugin[Any], delivery: Delivery, ended: Ended) -> Ended:
        """Return how one attempt with *made* ended; raises Hung where it does not."""
        return self._made_attempt(what, lambda: made.deliver(delivery), ended)

    def together(self, what: str, batch: Sequence[Delivery], http: RecordingHttp, mail: RecordingMail) -> Ended:
        """Return how one attempt at a *batch* ended: its ``receipt`` is what ``deliver_many`` returned."""
        ended = Ended(http, mail)
        try:
            made = self.made(http, mail)
        except Exception as ex:  # noqa: BLE001  # the very thing that is looked for
            ended.bug = ex
            return ended
        return self._made_attempt(what, lambda: made.deliver_many(batch), ended)

    def shows_a_secret(self, failure: DeliveryFailed) -> bool:
        """Whether one is in *failure*, or in what caused it."""
        return self._has_a_secret(_everything(failure))

    def _made_attempt(self, what: str, attempt: Callable[[], Any], ended: Ended) -> Ended:
        def deliver() -> None:
            try:
                ended.receipt = attempt()
            except DeliveryFailed as ex:
                ended.failed = ex
            except BaseException as ex:  # noqa: BLE001  # the very thing that is looked for
                ended.bug = ex

        with _overheard() as said:
            # A thread of its own: one that hangs cannot be ended, but it can be left behind.
            thread = threading.Thread(target=deliver, daemon=True)
            thread.start()
            thread.join(self._time_limit)
        if thread.is_alive():
            self.slow.append(f"{what} did not end within {self._time_limit:g}s")
            raise Hung
        self._look_for_secrets(
            f"{what}, in a failure, a log or the output", said() + _everything(ended.failed or ended.bug)
        )
        self._look_for_secrets(f"{what}, in its receipt", _as_text(ended.receipt))
        for place in getattr(ended.http, "bare", ()):
            self.leaks[f"{place} has a secret in it as plain text; give it as a Secret, whole"] = None
        return ended

    def _has_a_secret(self, text: str) -> bool:
        return any(secret in text for secret in self._secrets)

    def _look_for_secrets(self, where: str, text: str) -> None:
        if self._has_a_secret(text):
            self.leaks[f"it brought a secret to light: {where}"] = None


class _Listening(RecordingHttp):
    """Notices secrets that are not given as such: what reports a request later must know them."""

    def __init__(self, secrets: set[str], *answers: Any) -> None:
        super().__init__(*answers)
        self._secrets = secrets
        self.bare: list[str] = []

    def request(
        self, method: str, url: str | Secret, *, headers: Mapping[str, str | Secret] | None = None, **more: Any
    ) -> Answer:
        if isinstance(url, str) and self._is_bare(url):
            self.bare.append("the address of a request")
        for name, value in (headers or {}).items():
            if isinstance(value, str) and self._is_bare(value):
                self.bare.append(f"the header {name}")
        return super().request(method, url, headers=headers, **more)

    def _is_bare(self, text: str) -> bool:
        return any(secret in text for secret in self._secrets)


@contextlib.contextmanager
def _overheard() -> Iterator[Callable[[], str]]:
    """Collect all that is logged or printed meanwhile."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield said.getvalue
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def _everything(failure: BaseException | None) -> str:
    said: list[str] = []
    while failure is not None:
        said += [str(failure), repr(failure), *traceback.format_exception_only(failure)]
        failure = failure.__cause__ or failure.__context__
    return "\n".join(said)


def _as_text(receipt: Receipt | Any) -> str:
    try:
        return json.dumps(receipt, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return ""


def is_json_object(receipt: Any) -> bool:
    """Return whether *receipt* is one that a store can keep as it is."""
    try:
        return isinstance(receipt, dict) and json.loads(json.dumps(receipt)) == receipt
    except (TypeError, ValueError, RecursionError):
        return False


def shortly(ex: BaseException) -> str:
    """Return an exception as one line."""
    return re.sub(r"\s+", " ", f"{type(ex).__name__}: {ex}")[:_LONGEST]
