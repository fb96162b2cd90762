"""Standard Webhooks signatures, made and checked: https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from router.secret import Secret

_PREFIX = "whsec_"
#: What the specification asks of a secret, in bytes:
#: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
_SHORTEST, _LONGEST = 24, 64


def sign(secrets: Sequence[Secret], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the ``webhook-signature`` value: one ``v1,`` signature per secret, space separated, in order."""
    return " ".join(f"v1,{_signature(secret, message_id, str(timestamp), body).decode()}" for secret in secrets)


def verify(secrets: Sequence[Secret], message_id: str, timestamp: str, signatures: str, body: bytes) -> bool:
    """Return whether any of *signatures* was made with any of *secrets*; malformed input is False, never an error."""
    given = [text.removeprefix("v1,").encode(errors="replace") for text in signatures.split() if text.startswith("v1,")]
    try:
        expected = [_signature(secret, message_id, timestamp, body) for secret in secrets]
    except ValueError:
        return False
    return any(hmac.compare_digest(one, other) for one in expected for other in given)


def check_secret(secret: Secret) -> None:
    """Raise ValueError with a sentence when *secret* is not ``whsec_`` and 24 to 64 bytes of base64."""
    try:
        size = len(_key(secret))
    except ValueError:
        size = 0
    if not secret.reveal().startswith(_PREFIX) or not _SHORTEST <= size <= _LONGEST:
        raise ValueError(
            f'a Standard Webhooks secret is "{_PREFIX}" and {_SHORTEST} to {_LONGEST} bytes in base64; '
            f"make one with: echo {_PREFIX}$(openssl rand -base64 32)"
        ) from None


def _key(secret: Secret) -> bytes:
    try:
        key = base64.b64decode(secret.reveal().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        # Anybody can sign with an empty key.
        raise ValueError("a Standard Webhooks secret is not base64, or empty")
    return key


def _signature(secret: Secret, message_id: str, timestamp: str, body: bytes) -> bytes:
    signed = f"{message_id}.{timestamp}.".encode(errors="replace") + body
    return base64.b64encode(hmac.digest(_key(secret), signed, "sha256"))
