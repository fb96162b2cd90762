"""HTTP and mail to destinations, with every precaution in one place."""

from __future__ import annotations

from router.outgoing.client import RequestsHttp
from router.outgoing.mail import SmtpMail
from router.outgoing.redaction import Redaction, secrets_in
from router.outgoing.watched import Watch, redacted

__all__ = ["Redaction", "RequestsHttp", "SmtpMail", "Watch", "redacted", "secrets_in"]
