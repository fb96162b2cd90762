"""Standard Webhooks signatures, made and checked: https://www.standardwebhooks.com."""

from __future__ import annotations

from collections.abc import Sequence

from router.secret import Secret


def sign(secrets: Sequence[Secret], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the ``webhook-signature`` value: one ``v1,`` signature per secret, space separated, in order."""
    raise NotImplementedError


def verify(secrets: Sequence[Secret], message_id: str, timestamp: str, signatures: str, body: bytes) -> bool:
    """Return whether any of *signatures* was made with any of *secrets*; malformed input is False, never an error."""
    raise NotImplementedError


def check_secret(secret: Secret) -> None:
    """Raise ValueError with a sentence when *secret* is not ``whsec_`` and 24 to 64 bytes of base64."""
    raise NotImplementedError
