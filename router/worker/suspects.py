"""Which delivery ends the process that sends it: found by trying suspects one at a time, and set aside.

What was under way when a sender process crashed is suspect until an attempt of it comes to an end. Suspects of one
destination are tried one after the other; what was there twice is tried while nothing else of that kind is. The third
crash then has one culprit, and nobody else is blamed for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from router.store import Claim
from router.worker.senders import Ended

#: A delivery that was under way at so many crashes in a row is a dead letter.
CRASHES = 3
#: Seconds until a suspect whose turn it is not is looked at again.
LATER = 1.0
#: More are not remembered: the first are dropped.
_MOST = 10_000


class Suspects:
    """Remembers crashes by delivery for as long as the worker lives."""

    def __init__(self) -> None:
        self._crashes: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._crashes)

    def judge(self, ended: list[Ended]) -> list[Ended]:
        """Return *ended*, with the outcome ``crashed`` for what has now ended its process too often."""
        by_crash: defaultdict[int, list[Ended]] = defaultdict(list)
        for one in ended:
            if one.crash is not None:
                by_crash[one.crash].append(one)
            elif self._crashes and one.outcome.kind != "released":
                self._crashes.pop(one.claim.delivery_id, None)
        if not by_crash:
            return ended
        guilty = {name for group in by_crash.values() if (name := self._culprit(group)) is not None}
        while len(self._crashes) > _MOST:
            del self._crashes[next(iter(self._crashes))]
        return [_set_aside(one) if one.claim.delivery_id in guilty else one for one in ended]

    def hold_back(self, claims: list[Claim], in_hand: Iterable[Claim]) -> tuple[list[Claim], list[Claim]]:
        """Return those of *claims* to hand over now, and the suspects whose turn it is not while *in_hand* is out.

        A suspect that is handed over goes alone, and in no batch.
        """
        if not self._crashes:
            return claims, []
        out = [claim for claim in in_hand if claim.delivery_id in self._crashes]
        destinations = {claim.destination for claim in out}
        a_strong_one = any(self._crashes[claim.delivery_id] > 1 for claim in out)
        now: list[Claim] = []
        back: list[Claim] = []
        for claim in claims:
            crashes = self._crashes.get(claim.delivery_id, 0)
            waits = crashes and (claim.destination in destinations or (crashes > 1 and a_strong_one))
            (back if waits else now).append(claim)
            if crashes and not waits:
                claim.alone = True
                destinations.add(claim.destination)
                a_strong_one = a_strong_one or crashes > 1
        return now, back

    def _culprit(self, group: Sequence[Ended]) -> int | None:
        counts = Counter({one.claim.delivery_id: self._crashes.get(one.claim.delivery_id, 0) + 1 for one in group})
        self._crashes |= counts
        (first, crashes), *others = counts.most_common(2)
        if crashes < CRASHES or (others and others[0][1] == crashes):
            return None
        del self._crashes[first]
        return first


def _set_aside(ended: Ended) -> Ended:
    reason = (
        f"the sender process crashed during {CRASHES} attempts at this delivery, so it is set aside; "
        "look into the plugin and at the daemon's log before it is replayed"
    )
    return replace(ended, outcome=ended.outcome._replace(kind="crashed", reason=reason))
