"""The worker's side of the sender processes: who has which delivery in hand, and what came back."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from router.sender import Job, Outcome, divided, recall
from router.sender.begun import Begun, Stage
from router.sender.frames import Decoder, encode
from router.shares import WHOLE, Place
from router.store import Claim


@dataclass(slots=True)
class Connection:
    """One sender process, as the worker knows it."""

    index: int
    socket: socket.socket
    #: What it has begun; None where that is not known.
    begun: Begun | None = None
    decoder: Decoder[Outcome] = field(default_factory=lambda: Decoder(Outcome))
    unsent: bytearray = field(default_factory=bytearray)
    #: (delivery id, attempt) → its claim, for everything handed over and not yet answered. One delivery may be here
    #: twice: given up and replayed by an operator while its attempt went on.
    in_hand: dict[tuple[int, int], Claim] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """One attempt that is over, with the claim it was made under."""

    claim: Claim
    outcome: Outcome
    #: False where its sender went away, and nobody can say anything of the destination.
    told: bool = True
    #: The sender that crashed in the middle of it, by its index.
    crash: int | None = None


class Senders:
    """All connected senders. Deliveries of one destination are spread over those that have a share of it."""

    def __init__(self) -> None:
        self.connections: dict[int, Connection] = {}
        self._in_hand: dict[str, int] = {}
        self._place = WHOLE
        #: Those of them that are no first attempts.
        self._retries: dict[str, int] = {}

    def connect(self, index: int, connection: socket.socket, begun: Begun | None = None) -> None:
        """Use *connection* for the sender with this *index*, which notes in *begun* what it begins."""
        connection.setblocking(False)
        self.connections[index] = Connection(index, connection, begun)
        if self._place != WHOLE:
            self.connections[index].unsent += encode([divided(self._place)])
            self.flush(self.connections[index])

    def in_hand(self, destination: str) -> int:
        """How many deliveries of *destination* are with the senders now."""
        return self._in_hand.get(destination, 0)

    def retries(self, destination: str) -> int:
        """How many of them were attempted before."""
        return self._retries.get(destination, 0)

    @property
    def total(self) -> int:
        """How many deliveries are with the senders now."""
        return sum(len(connection.in_hand) for connection in self.connections.values())

    def claims(self) -> list[Claim]:
        """Return everything that is with the senders now."""
        return [claim for connection in self.connections.values() for claim in connection.in_hand.values()]

    def rename(self, names: Mapping[str, str]) -> None:
        """Call destinations by their new names: *names* is old → new."""
        for claim in self.claims():
            claim.destination = names.get(claim.destination, claim.destination)
        for counts in (self._in_hand, self._retries):
            for old, new in names.items():
                counts[new] = counts.get(new, 0) + counts.pop(old, 0)

    def hand_over(
        self, claims: Iterable[Claim], shares: Mapping[str, list[int]], retries: Mapping[str, list[int]] | None = None
    ) -> None:
        """Give each claim to the least loaded sender among ``shares[destination]``.

        *retries* has the senders with slots for further attempts; None: all have.
        """
        jobs: dict[int, list[Job]] = {}
        for claim in claims:
            able_ones = retries if retries is not None and claim.attempt > 1 else shares
            able = [self.connections[index] for index in able_ones[claim.destination] if index in self.connections]
            chosen = min(able, key=lambda connection: len(connection.in_hand))
            chosen.in_hand[claim.delivery_id, claim.attempt] = claim
            self._count(claim, 1)
            jobs.setdefault(chosen.index, []).append(_job(claim))
        for index, batch in jobs.items():
            connection = self.connections[index]
            connection.unsent += encode(batch)
            self.flush(connection)

    def _count(self, claim: Claim, more: int) -> None:
        self._in_hand[claim.destination] = self._in_hand.get(claim.destination, 0) + more
        if claim.attempt > 1:
            self._retries[claim.destination] = self._retries.get(claim.destination, 0) + more

    def recall(self, destination: str) -> None:
        """Ask for everything of *destination* back that no sender has begun; it comes as ``released``."""
        if not self.in_hand(destination):
            return
        for connection in self.connections.values():
            connection.unsent += encode([recall(destination)])
            self.flush(connection)

    def divide(self, place: Place) -> None:
        """Tell every sender, and those that come later, which part of every limit is this node's."""
        self._place = place
        for connection in self.connections.values():
            connection.unsent += encode([divided(place)])
            self.flush(connection)

    def able(self, shares: list[int]) -> bool:
        """Whether any sender of *shares* is there."""
        return any(index in self.connections for index in shares)

    def flush(self, connection: Connection) -> None:
        """Write what the socket takes now; the rest waits until it is writable again."""
        try:
            while connection.unsent:
                sent = connection.socket.send(connection.unsent)
                del connection.unsent[:sent]
        except BlockingIOError:
            return
        except OSError:
            # The sender is gone; reading from the socket will say so and settle what it had in hand.
            connection.unsent.clear()

    def collect(self, connection: Connection, now: float) -> list[Ended]:
        """Return what came back from one sender.

        When the sender is gone, what it had begun ends as ``unknown``: it may have been sent or not.
        """
        ended: list[Ended] = []
        gone = False
        try:
            while True:
                data = connection.socket.recv(1 << 18)
                if not data:
                    gone = True
                    break
                ended += self._settle(connection, connection.decoder.feed(data))
        except BlockingIOError:
            pass
        except OSError:
            gone = True
        if gone:
            ended += self.abandon(connection, now)
        return ended

    def _settle(self, connection: Connection, outcomes: Iterable[Outcome]) -> list[Ended]:
        ended = []
        for outcome in outcomes:
            claim = connection.in_hand.pop((outcome.delivery_id, outcome.attempt), None)
            if claim is not None:
                self._count(claim, -1)
                ended.append(Ended(claim, outcome))
        return ended

    def abandon(self, connection: Connection, now: float) -> list[Ended]:
        """Let go of a sender that is gone; what it had begun ends as ``unknown``, the rest as ``released``."""
        connection.socket.close()
        del self.connections[connection.index]
        stages = None
        if connection.begun is not None:
            stages = connection.begun.stages()
            connection.begun.close()
        ended = []
        for claim in connection.in_hand.values():
            self._count(claim, -1)
            stage = stages.get((claim.delivery_id, claim.attempt)) if stages is not None else Stage.OVER
            kind, reason = "unknown", "the sender process ended during this attempt; whether it arrived is not known"
            if stage is None:
                kind, reason = "released", "the sender process ended before this attempt began"
            outcome = Outcome(claim.delivery_id, claim.attempt, kind, reason, None, None, now, now)
            crash = connection.index if stage is Stage.UNDER_WAY else None
            ended.append(Ended(claim, outcome, told=False, crash=crash))
        return ended


def _job(claim: Claim) -> Job:
    return Job(
        claim.delivery_id,
        claim.attempt,
        claim.destination,
        claim.rule,
        claim.key,
        claim.source,
        claim.received_at,
        claim.body,
        claim.facts,
        claim.call.values(),
        claim.receipt,
        claim.alone,
    )
