"""HTTP to destinations, with every precaution in one place."""

from __future__ import annotations

from router.outgoing.client import RequestsHttp
from router.outgoing.redaction import Redaction, secrets_in

__all__ = ["Redaction", "RequestsHttp", "secrets_in"]
