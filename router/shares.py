"""What several nodes divide among themselves: the shares of all calls, and the limits of destinations. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

#: Never to be changed: every event of a call must be in the same share, whichever version took it in.
SHARES = 64
ALL = frozenset(range(SHARES))


def share_of(source: str, call_id: str) -> int:
    """Return the share of a call: from 0 to ``SHARES`` - 1, the same for ever."""
    # As PostgreSQL has it: a text there cannot hold U+0000.
    name = f"{source}\0{call_id}".replace("\0", "\ufffd")
    return crc32(name.encode("utf-8", "surrogatepass")) % SHARES


def split(nodes: Sequence[int]) -> dict[int, frozenset[int]]:
    """Return node → its shares: as many for each as for every other, give or take one.

    When a node comes or goes, most shares stay where they are.
    """
    each, rest = divmod(SHARES, max(1, len(nodes)))
    room = {node: each + (place < rest) for place, node in enumerate(sorted(nodes))}
    found: dict[int, set[int]] = {node: set() for node in room}
    for share in range(SHARES if room else 0):
        # Rendezvous hashing, with a limit: https://en.wikipedia.org/wiki/Rendezvous_hashing
        taker = max((node for node in room if room[node]), key=lambda node: crc32(b"%d/%d" % (node, share)))
        found[taker].add(share)
        room[taker] -= 1
    return {node: frozenset(some) for node, some in found.items()}


@dataclass(frozen=True, slots=True)
class Place:
    """Which of ``count`` nodes this one is, where they divide limits; ``index`` counts from 0.

    A ``count`` of 0: it waits until all others count it in.
    """

    index: int
    count: int

    @classmethod
    def among(cls, node: int, nodes: Sequence[int]) -> Place:
        """Return the place of *node* in *nodes*; it must be one of them."""
        return cls(sorted(nodes).index(node), len(nodes))

    def part(self, whole: int) -> int:
        """Return this node's part of a limit; the parts of all nodes make up the *whole*.

        Where a node goes, the parts of all others stay or grow. So the sum is never more than the *whole* as long as
        each that has a part counts in all others that have one, whomever it counts in besides.
        """
        if not self.count:
            return 0
        each, rest = divmod(whole, self.count)
        return each + (self.index < rest)


#: Of a node that is the only one.
WHOLE = Place(0, 1)
WAITING = Place(0, 0)
