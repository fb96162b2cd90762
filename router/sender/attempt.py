"""One attempt: a job handed to a plugin, and how that ended in words the worker understands."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from router import clock, event
from router.calls import Call
from router.config.model import Destination
from router.errors import (
    AnswerLost,
    DeliveryFailed,
    DestinationUnusable,
    PermanentFailure,
    TakenAsDelivered,
    TemporaryFailure,
)
from router.outgoing import Redaction, RequestsHttp, SmtpMail, secrets_in
from router.plugin import Delivery, Plugin, Receipt, Settings
from router.rendering import templates
from router.sender import Job, Outcome

_log = logging.getLogger("callrouter.sender")

_KINDS: dict[type[DeliveryFailed], str] = {
    TemporaryFailure: "temporary",
    AnswerLost: "unknown",
    PermanentFailure: "permanent",
    DestinationUnusable: "unusable",
}

#: What an exception says may be a whole page; a reason is a line.
_LONGEST_REASON = 500


class Attempts:
    """Makes attempts at one destination, from one thread. The plugin is made at the first, and kept.

    *overrides* are the settings of rules that have texts of their own for it: each has a plugin of its own. *http* and
    *mail* make the ways out.
    """

    def __init__(
        self,
        destination: Destination,
        overrides: Mapping[str, Settings] = MappingProxyType({}),
        *,
        http: Callable[..., RequestsHttp] = RequestsHttp,
        mail: Callable[..., SmtpMail] = SmtpMail,
    ) -> None:
        self._destination = destination
        self._overrides = overrides
        self._make_http = http
        self._make_mail = mail
        self._redact = Redaction([*secrets_in(destination.settings), *secrets_in(destination.proxy)])
        self._http: RequestsHttp | None = None
        #: By the rule with texts of its own; None: the destination's own settings.
        self._plugins: dict[str | None, Plugin[Settings]] = {}

    def make(self, job: Job) -> Outcome:
        """Make one attempt and return how it ended; raises nothing."""
        started_at = clock.now()
        delivery = delivery_of(job, started_at)
        if self._http:
            self._http.heard = None
        receipt: Any = None
        try:
            receipt = self._plugin_for(job.rule).deliver(delivery)
        except DeliveryFailed as ex:
            return self._failed(job, delivery, started_at, ex)
        # A plugin may end in any way, SystemExit among them, and must take neither its delivery nor this
        # thread along.
        except BaseException as ex:  # noqa: BLE001 - see above
            return self._bug(job, started_at, ex)
        return self._delivered(job, delivery, started_at, receipt)

    def _bug(self, job: Job, started_at: float, ex: BaseException) -> Outcome:
        self._log_bug(job, "".join(traceback.format_exception(ex)))
        said = f"{type(ex).__name__}: {ex}" if str(ex) else type(ex).__name__
        return self._outcome(job, "bug", started_at, self._line(f"a bug in the plugin: {said}"))

    def _failed(self, job: Job, delivery: Delivery, started_at: float, ex: DeliveryFailed) -> Outcome:
        if isinstance(ex, TakenAsDelivered):
            return self._delivered(job, delivery, started_at, None, ex)
        kind = next((word for failure, word in _KINDS.items() if isinstance(ex, failure)), "temporary")
        wait = getattr(ex, "retry_after", None)
        return self._outcome(job, kind, started_at, self._line(ex.reason), status=ex.status, retry_after=wait)

    def _delivered(
        self, job: Job, delivery: Delivery, started_at: float, receipt: Any, taken: TakenAsDelivered | None = None
    ) -> Outcome:
        reason, receipt = self._checked(job, receipt) if taken is None else (self._line(taken.reason), None)
        unfilled = bool(delivery.unfilled) and not delivery.is_alert
        if unfilled:
            reason = "; ".join(filter(None, (self._line(self._in_plain_words(job, delivery)), reason)))
        heard = self._http and self._http.heard
        status = taken.status if taken else heard.status if heard else None
        return self._outcome(job, "delivered", started_at, reason, status=status, receipt=receipt, unfilled=unfilled)

    def _plugin_for(self, rule: str | None) -> Plugin[Settings]:
        to, own = self._destination, rule if rule in self._overrides else None
        if own not in self._plugins:
            self._http = self._http or self._make_http(
                timeout=to.timeout,
                allow_private=to.allow_private,
                ca=to.ca,
                certificate=to.certificate,
                proxy=to.proxy,
                answers=to.answers,
            )
            mail = () if not to.plugin.uses_mail else (self._mail_way(),)
            self._plugins[own] = to.plugin(self._settings(own), self._http, *mail)
        return self._plugins[own]

    def _mail_way(self) -> SmtpMail:
        to = self._destination
        return self._make_mail(
            timeout=to.timeout,
            allow_private=to.allow_private,
            ca=to.ca,
            certificate=to.certificate,
            proxy=to.proxy,
        )

    def _settings(self, rule: str | None) -> Settings:
        return self._destination.settings if rule is None else self._overrides.get(rule, self._destination.settings)

    def _in_plain_words(self, job: Job, delivery: Delivery) -> str:
        template, why = delivery.unfilled[0]
        named = next((path for path, one in templates(self._settings(job.rule)) if one is template), None)
        where = f'"{named}"' if named else self._destination.name
        by_rule = f' in rule "{job.rule}"' if job.rule in self._overrides else ""
        return f"sent in plain words: the template of {where}{by_rule} cannot be filled in: {why}"

    def _checked(self, job: Job, receipt: Any) -> tuple[str | None, Receipt | None]:
        """Let a receipt pass that a store can keep. What was delivered stays delivered, whatever came back."""
        if receipt is None:
            return None, None
        try:
            kept = json.loads(json.dumps(receipt, allow_nan=False))
            if isinstance(kept, dict):
                return None, kept
        except (TypeError, ValueError, RecursionError):
            pass
        reason = "delivered, but the plugin's receipt is no JSON object and was not kept"
        self._log_bug(job, reason)
        return reason, None

    def _log_bug(self, job: Job, text: str) -> None:
        to = self._destination
        _log.error("bug in plugin %s (destination %s, delivery %d): %s", to.plugin.type, to.name, job.delivery_id,
                   self._redact(text))  # fmt: skip

    def _line(self, text: str) -> str:
        return " ".join(self._redact(text).split())[:_LONGEST_REASON]

    def _outcome(
        self,
        job: Job,
        kind: str,
        started_at: float,
        reason: str | None,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        receipt: Receipt | None = None,
        unfilled: bool = False,
    ) -> Outcome:
        ended_at = clock.now()
        # Of what was accepted there is mostly nothing to ask, and it would be most of the store.
        wanted = self._http and (kind != "delivered" or self._destination.keep_answers)
        answer = self._http.kept(self._redact) if self._http and wanted else None
        return Outcome(
            job.delivery_id,
            job.attempt,
            kind,
            reason,
            status,
            retry_after,
            started_at,
            ended_at,
            receipt,
            unfilled,
            answer,
        )


class _Later(Mapping[str, Any]):
    """A mapping that is made when somebody looks into it: most plugins use one of the three, or none."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Mapping[str, Any]]) -> None:
        self._make = make
        self._made: Mapping[str, Any] | None = None

    def _mapping(self) -> Mapping[str, Any]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __getitem__(self, name: str) -> Any:
        return self._mapping()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping())

    def __len__(self) -> int:
        return len(self._mapping())

    def __repr__(self) -> str:
        return repr(self._mapping())


def delivery_of(job: Job, now: float) -> Delivery:
    """Return *job* as plugins see it at an attempt made *now*."""
    # An alert that changed the message of the one before would reach nobody who had seen that one.
    receipt = None if job.receipt is None or job.source == event.ALERT_SOURCE else json.loads(job.receipt)
    return Delivery(
        key=job.key,
        attempt=job.attempt,
        destination=job.destination,
        rule=job.rule,
        event=_Later(lambda: event.read(job.body, job.source, job.received_at).fields),
        body=job.body,
        call=_Later(lambda: Call.of(job.call).as_mapping()),
        facts=_Later(lambda: json.loads(job.facts)),
        receipt=receipt,
        accepted_at=job.received_at,
        attempted_at=now,
    )


def released(job: Job, reason: str) -> Outcome:
    """Return the outcome of a job that was never begun."""
    return Outcome(job.delivery_id, job.attempt, "released", reason)


#: Makes one attempt; what a lane's thread calls.
Attempt = Callable[[Job], Outcome]
