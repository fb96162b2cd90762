"""What a request must carry so that a source's own checks let it in: the other half of ``router.authentication``."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Sequence

from router import signature
from router.authentication import Authentication, Basic, Header, Hmac, StandardWebhooks, Token


def headers(checks: Sequence[Authentication], body: bytes, now: float) -> dict[str, str]:
    """Return the headers that pass *checks* with *body* at *now*; an allow-list of addresses asks for none."""
    carried: dict[str, str] = {}
    for check in checks:
        match check:
            case Token():
                # Not in Authorization: a source may demand a token and a password.
                carried["X-Callrouter-Token"] = check.token.reveal()
            case Basic():
                pair = f"{check.user}:{check.password.reveal()}".encode()
                carried["Authorization"] = "Basic " + base64.b64encode(pair).decode()
            case Header():
                carried[check.name] = check.value.reveal()
            case Hmac():
                carried[check.header] = check.prefix + _digest(check, body)
            case StandardWebhooks():
                identifier = "msg_" + secrets.token_hex(12)
                carried["webhook-id"] = identifier
                carried["webhook-timestamp"] = str(int(now))
                carried["webhook-signature"] = signature.sign(check.secrets[:1], identifier, int(now), body)
    return carried


def _digest(check: Hmac, body: bytes) -> str:
    digest = hmac.digest(check.secret.reveal().encode(), body, check.algorithm)
    return digest.hex() if check.encoding == "hex" else base64.b64encode(digest).decode()
