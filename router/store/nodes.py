"""The nodes on one store, as they see each other: values, and what a worker needs of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from router.shares import WHOLE, Place

#: Seconds after which a node that was not heard of is said to be silent: it has missed several times by then.
SILENT = 6.0


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node, as it was last heard of. Moments are by the clock of the store."""

    name: str
    #: Grows with every start of any node.
    joined: int
    #: Whether it routes and delivers; else it only takes events in.
    delivers: bool
    started_at: float
    heard_at: float
    #: When the others gave up hearing from it.
    gone_at: float | None
    leaving: bool
    #: What it says of itself.
    about: Mapping[str, Any]
    #: The nodes among which it divides limits, by ``joined``; empty until it is counted in.
    among: frozenset[int]

    @property
    def lives(self) -> bool:
        """Whether it is counted on."""
        return self.gone_at is None

    def state(self, now: float) -> str:
        """Return in a word or two how it is."""
        if self.gone_at is not None:
            return "gone"
        if now - self.heard_at > SILENT:
            return "silent"
        if self.leaving:
            return "stopping"
        if self.delivers and not self.among:
            return "waits to be counted in"
        return "well"


class Membership(Protocol):
    """This node's place among those that work on its store."""

    @property
    def name(self) -> str:
        """The node's name; empty where there is no other."""

    @property
    def place(self) -> Place:
        """Its place where limits are divided, as it may be used now."""

    @property
    def leads(self) -> bool:
        """Whether it does what one node does for all."""

    @property
    def silence(self) -> float:
        """The seconds since the store last answered it."""

    @property
    def may_claim(self) -> bool:
        """Whether the others can still count on what it says of itself: otherwise it claims nothing."""

    @property
    def until_next(self) -> float:
        """The seconds until ``tend`` has something to do."""

    def tend(self, about: Mapping[str, Any], *, settled: bool) -> bool:
        """Say that it lives, and hear who else does, where it is time for that; follow what changes.

        *settled* means that nothing is out that was claimed with a larger part of any limit than it has now. Return
        whether calls are routed here now that another node may have routed until then. Raises StoreError.
        """

    def stand_down(self) -> None:
        """Give its shares to others: it routes no more. Raises StoreError."""

    def leave(self) -> None:
        """Be gone; to be called when nothing is out. Raises StoreError."""


class Alone:
    """The only node there is: nobody else can use its store."""

    name = ""
    place = WHOLE
    leads = True
    silence = 0.0
    may_claim = True
    until_next = float("inf")

    def tend(self, about: Mapping[str, Any], *, settled: bool) -> bool:  # noqa: ARG002 - as the protocol has it
        """Implement ``Membership``."""
        return False

    def stand_down(self) -> None:
        """Implement ``Membership``."""

    def leave(self) -> None:
        """Implement ``Membership``."""
