"""Slack's Web API, as far as a bot needs it to keep one message per call.

https://docs.slack.dev/apis/web-api
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from router.plugin import AnswerLost, Delivery, DestinationUnusable, Http, PermanentFailure, Secret, TemporaryFailure

API = "https://slack.com/api"

#: Slack's own troubles. After a ``fatal_error`` "it is possible some aspect of the operation succeeded".
_AGAIN = {"ratelimited", "rate_limited", "internal_error", "request_timeout", "service_unavailable"}
_UNKNOWN = {"fatal_error"}

#: What an operator must mend before the bot can post again.
_UNUSABLE = {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope",
             "no_permission", "not_allowed_token_type", "access_denied", "org_login_required", "ekm_access_denied",
             "team_access_not_granted", "channel_not_found", "not_in_channel", "is_archived", "is_inactive",
             "restricted_action", "restricted_action_read_only_channel", "channel_type_not_supported"}  # fmt: skip
_ADVICE = {
    "not_in_channel": "invite the bot to the channel: /invite @its-name",
    "channel_not_found": "check channel:, and invite the bot if the channel is private",
    "missing_scope": "give the app the scope chat:write and install it again",
}

#: A message that can no longer be changed: deleted by somebody, or too old for the workspace's rules.
_LOST = {"message_not_found", "cant_update_message", "edit_window_closed"}


class Bot:
    """Posts to one channel and changes what it posted. Every failure is one of the contract's."""

    def __init__(self, http: Http, token: Secret, channel: str) -> None:
        self._http = http
        self._headers = {"Authorization": Secret(f"Bearer {token.reveal()}")}
        self._channel = channel

    def post(self, message: Mapping[str, Any], delivery: Delivery, *, thread: str | None = None) -> str:
        """Post *message*, into the thread of message *thread* where that is given, and return its ``ts``."""
        said = dict(message, channel=self._channel, metadata={"event_type": "call", "event_payload": _mark(delivery)})
        if thread:
            said = dict(message, channel=self._channel, thread_ts=thread)
        answer = self._call("chat.postMessage", json=said)
        return str(_required(answer, "ts"))

    def update(self, ts: str, message: Mapping[str, Any]) -> bool:
        """Make the message *ts* say *message*; return False when it can no longer be changed."""
        blocks = {name: message[name] for name in ("text", "blocks")}
        answer = self._call("chat.update", tolerated=_LOST, json={"channel": self._channel, "ts": ts, **blocks})
        return answer["ok"] is True

    def posted(self, delivery: Delivery) -> str | None:
        """Return the ``ts`` of the message about the call of *delivery* that was posted though its answer was lost.

        None where there is none, or the app may not look: then it is posted again.
        """
        form = f"channel={self._channel}&oldest={delivery.accepted_at - 1:.0f}&limit=200&include_all_metadata=true"
        answer = self._call("conversations.history", tolerated={"missing_scope"}, form=form)
        for message in answer.get("messages") or ():
            if (message.get("metadata") or {}).get("event_payload") == _mark(delivery):
                return str(message["ts"])
        return None

    def _call(
        self,
        method: str,
        *,
        tolerated: frozenset[str] | set[str] = frozenset(),
        json: Any = None,
        form: str | None = None,
    ) -> dict[str, Any]:
        """Call *method* and return its answer when that is ok, or an error of *tolerated*; fail otherwise."""
        headers: dict[str, str | Secret] = dict(self._headers)
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = None if form is None else form.encode()
        answer = self._http.request("POST", f"{API}/{method}", headers=headers, json=json, body=body)
        said = _read(answer.body)
        error = str(said.get("error") or "")
        if said.get("ok") is True or error in tolerated:
            return said
        reason = f"slack.com answered {method} with {error or 'what is no answer of its API'}"
        if error in _AGAIN:
            wait = answer.headers.get("retry-after", "")
            raise TemporaryFailure(reason, retry_after=float(wait) if wait.isdecimal() else None)
        if error in _UNUSABLE:
            raise DestinationUnusable(f"{reason}; {_ADVICE[error]}" if error in _ADVICE else reason)
        # No answer that can be read, and a post that may have been made.
        raise AnswerLost(reason) if error in _UNKNOWN or not error else PermanentFailure(reason)


def _mark(delivery: Delivery) -> dict[str, Any]:
    return {"call": delivery.call["uuid"], "destination": delivery.destination}


def _required(answer: Mapping[str, Any], name: str) -> Any:
    if not answer.get(name):
        raise AnswerLost(f"slack.com accepted a message and did not say its {name}")
    return answer[name]


def _read(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
