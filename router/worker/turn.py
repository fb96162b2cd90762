"""What one turn of the worker's loop has found out."""

from __future__ import annotations

from dataclasses import dataclass, field

from router.store import Attempt, Claim
from router.worker.routing import Routed


@dataclass(slots=True)
class Turn:
    """What one turn has found out, to be told after its commit."""

    routed: list[tuple[Routed, float]] = field(default_factory=list)
    attempts: list[tuple[Claim, Attempt]] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    paused: list[tuple[str, str]] = field(default_factory=list)
    entries: int = 0
    ticked: bool = False
    #: A command of an operator is still under way.
    ordered: bool = False

    @property
    def busy(self) -> bool:
        """Whether the next turn is likely to find more."""
        return bool(self.entries or self.attempts or self.claims or self.ordered)
