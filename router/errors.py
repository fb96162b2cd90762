"""Everything callrouter raises on purpose, on one screen.

RouterError
├── ConfigError            the operator must edit config.yaml            exit 2
├── InvalidEvent           the sender must mend its request              HTTP 422, kept in quarantine
├── NotAuthentic           the sender is not who it says                 HTTP 401, nothing kept
├── StoreError             the database refused or is away               HTTP 503 + Retry-After, exit 4
│   ├── DiskFull               because there is no room on its disk
│   └── StoreDamaged           because its file is no whole store
├── AlreadyRunning         another process holds what this one needs     exit 1
└── DeliveryFailed         one attempt at one destination failed
    ├── TemporaryFailure       try again, not before ``retry_after`` seconds
    ├── AnswerLost             it may have arrived: nobody can know
    ├── PermanentFailure       never again for this delivery: a dead letter
    ├── DestinationUnusable    no delivery to this destination can succeed: pause it
    └── TakenAsDelivered       the operator said that this answer will do
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class RouterError(Exception):
    """A failure that callrouter understands; its text is a sentence an operator can act on."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake (or doubt) in a configuration, with its place.

    ``line`` and ``column`` count from 1. ``excerpt`` is the source line itself, ``width`` how
    many of its characters are at fault.
    """

    file: str
    line: int
    column: int
    text: str
    hint: str | None = None
    excerpt: str | None = None
    width: int = 1
    severity: str = "error"

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.text}{hint}"


class ConfigError(RouterError):
    """The configuration cannot be used; ``problems`` has every mistake found, in file order."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an event: ``path`` says where in the JSON (``event_payload.type``), or is empty."""

    path: str
    text: str


class InvalidEvent(RouterError):
    """A body is not an event its source may send; ``faults`` names everything wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.path}: {fault.text}" if fault.path else fault.text for fault in faults))


class NotAuthentic(RouterError):
    """A request does not carry what its source demands."""


class StoreError(RouterError):
    """The store or the inbox cannot read or commit."""

    exit_code = 4


class DiskFull(StoreError):
    """There is no room on the disk of the store or the inbox."""


class StoreDamaged(StoreError):
    """What is in the store's file is no store, or no longer a whole one."""


class AlreadyRunning(RouterError):
    """Another process holds the lock on the data this one needs."""


class DeliveryFailed(RouterError):
    """One attempt at one destination did not end in acceptance.

    ``status`` is the HTTP status the destination answered with, where it answered; ``headers`` (names in lower case)
    and ``body`` (its first 8 KB) are the rest of a refusal, without the secrets of the request.
    """

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.headers: Mapping[str, str] = {}
        self.body = b""


class TemporaryFailure(DeliveryFailed):
    """Worth another try, no sooner than ``retry_after`` seconds from now where that is given."""

    def __init__(self, reason: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason, status=status)
        self.retry_after = retry_after


class AnswerLost(DeliveryFailed):
    """The request went out and no answer came back: it may or may not have been accepted."""


class PermanentFailure(DeliveryFailed):
    """The destination will never accept this delivery; a human must look."""


class DestinationUnusable(DeliveryFailed):
    """The destination accepts nothing until an operator has acted: wrong token, revoked webhook, archived room."""


class TakenAsDelivered(DeliveryFailed):
    """Not a 2xx, but ``answers:`` of the destination calls it done: delivered, with no receipt."""
