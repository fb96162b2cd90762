"""Posts each call event to any HTTP endpoint: the sender's own JSON, or a body from a template.

Every request carries ``webhook-id`` and ``webhook-timestamp``, and with a secret ``webhook-signature``, as
https://www.standardwebhooks.com has them: the receiver can drop what it has seen, and check who sent it.
"""

from __future__ import annotations

from plugins.http.answers import judge
from plugins.http.content import Content, content
from plugins.http.settings import HttpSettings
from plugins.http.signing import signature
from router.plugin import Answer, Delivery, Plugin, Secret, sign


class Http(Plugin[HttpSettings]):
    """Tells any program that speaks HTTP."""

    type = "http"
    Settings = HttpSettings
    # The webhook-id is the same over all attempts: a receiver knows what it has seen.
    repeatable = True
    # A receiver mostly keeps a record of the call, and the last event to arrive wins there.
    order = "call"

    def deliver(self, delivery: Delivery) -> None:
        made = content(self.settings, delivery)
        headers = self._headers(delivery, made)
        address = delivery.address(self.settings.url)

        def send(authorization: Secret | None) -> Answer:
            who = {"Authorization": authorization} if authorization else {}
            return self.http.request(self.settings.method, address, headers=headers | who, body=made.body)

        auth = self.settings.auth
        if auth is not None and auth.oauth2 is not None:
            answer = auth.oauth2.use(self.http, send)
        else:
            answer = send(auth.authorization() if auth else None)
        judge(answer, self.settings.expect, self.settings.unexpected)

    def _headers(self, delivery: Delivery, made: Content) -> dict[str, str | Secret]:
        """Return all headers but Authorization."""
        headers: dict[str, str | Secret] = {}
        if made.kind is not None:
            headers["Content-Type"] = made.kind
        headers |= {
            name: value
            for name, value in self.settings.headers.items()
            if made.kind is None or name.lower() != "content-type"
        }
        if self.settings.idempotency_header is not None:
            headers[self.settings.idempotency_header] = delivery.key
        body, timestamp = made.body or b"", int(delivery.attempted_at)
        headers |= {"webhook-id": delivery.key, "webhook-timestamp": str(timestamp)}
        if self.settings.secret:
            headers["webhook-signature"] = sign(self.settings.secret, delivery.key, timestamp, body)
        if self.settings.auth is not None and self.settings.auth.hmac is not None:
            headers |= signature(self.settings.auth.hmac, delivery.key, timestamp, body)
        return headers
