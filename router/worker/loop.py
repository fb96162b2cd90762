"""The worker's loop: one transaction a turn, in which it records, obeys, routes and claims.

A turn begins when something came in or fell due. Only after its commit are deliveries handed to senders, events
logged and finished inbox segments deleted, so that a crash at any point repeats a step and loses nothing.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from router import clock
from router.calls import Call
from router.commands import CommandFile
from router.config import Config
from router.errors import StoreError
from router.inbox.reader import InboxReader
from router.logs import Log
from router.metrics import Metrics
from router.reload.follower import Follower
from router.reload.link import Link
from router.sender import Outcome
from router.store import Attempt, Claim, Lapsed, Owed, Store
from router.units import spell
from router.worker import report
from router.worker.clockwatch import ClockWatch
from router.worker.fitting import fit, former_names
from router.worker.limits import Limits, room
from router.worker.orders import CURSOR, Orders
from router.worker.routing import Routed, Routing
from router.worker.senders import Ended
from router.worker.suspects import LATER, Suspects
from router.worker.upkeep import RENEW_EVERY, Upkeep, lease
from router.worker.verdict import expired_before_sending, judge, put_off
from router.worker.wires import Wires

#: Inbox entries and claims of one destination per turn.
MOST_ENTRIES, MOST_CLAIMS = 400, 200
#: Seconds from the start of one busy turn to the next: larger batches cost less per event.
SHORTEST_TURN = 0.010
#: Seconds between looks at what nobody announces.
TICK = 1.0
#: Seconds before a store that refused is asked again.
STORE_PAUSE = 1.0
#: Seconds to claim nothing while the senders follow in a reload, or until the supervisor says that they have.
FOLLOWING = 5.0


@dataclass(slots=True)
class Turn:
    """What one turn has found out, to be told after its commit."""

    routed: list[tuple[Routed, float]] = field(default_factory=list)
    attempts: list[tuple[Claim, Attempt]] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    paused: list[tuple[str, str]] = field(default_factory=list)
    entries: int = 0
    ticked: bool = False

    @property
    def busy(self) -> bool:
        """Whether the next turn is likely to find more."""
        return bool(self.entries or self.attempts or self.claims)


class Worker:
    """Owns the store. Single-threaded."""

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        log: Log,
        metrics: Metrics,
        control: socket.socket,
        reload: Link,
        senders: int,
        number: int = 0,
        store_pause: float = STORE_PAUSE,
    ) -> None:
        """Work by *config*, which is that of reload *number*, and hear over *reload* of others."""
        self.config, self.store, self.log, self.metrics = config, store, log, metrics
        self.owner = f"{os.getpid()}-{time.time_ns():x}"
        self.routing = Routing(store, config)
        self.orders = Orders(store, self.routing, config, log)
        self.commands = CommandFile(config.data)
        self.inbox = InboxReader(config.data / "inbox")
        self.upkeep = Upkeep(store, self.inbox, self.commands, config.data, log=log, metrics=metrics)
        self._lease = lease(config)
        self.cursors = store.cursors()
        self.wires = Wires(config.data, control, reload)
        self.senders = self.wires.senders
        self.suspects = Suspects()
        self.limits = Limits(config, senders, clock.now())
        self.follower = Follower(reload, config, number=number, use=self._move_to, done=self._everybody_moved)
        self._reload, self._sender_count = reload, senders
        #: Deliveries whose attempt may still be one with the settings before the last reload.
        self._with_earlier_settings: set[int] = set()
        self._claim_from = 0.0
        self.watch = ClockWatch(clock.now())
        self._clock_is_right = True
        self._store_pause = store_pause
        #: False after a turn that was undone: what it moved has not moved.
        self._cursors_are_right = True
        self._stopping = False
        self._lag = 0.0
        self._next_tick = self._next_renewal = 0.0
        self._pending: list[Ended] = []

    def run(self) -> int:
        """Work until SIGTERM, then until the senders have reported; return the exit code."""
        signal.set_wakeup_fd(self.wires.wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        self.recover()
        more = False
        while not (self._stopping and not self.senders.connections):
            began = clock.now()
            self.gather(0.0 if more else self._until_due(began))
            more = self.turn()
            if more and (rest := SHORTEST_TURN - (clock.now() - began)) > 0:
                time.sleep(rest)
        self.turn()
        self.close()
        return 0

    def close(self) -> None:
        """Let go of everything but the store."""
        signal.set_wakeup_fd(-1)
        self.wires.close()
        self.inbox.close()

    def gather(self, seconds: float) -> None:
        """Take in what has come, waiting up to *seconds* for it."""
        ended = self.wires.gather(seconds)
        # Processes that are ended on purpose say nothing about what they were sending.
        self._pending += ended if self._stopping else self.suspects.judge(ended)
        if self.wires.reload_waits and not self.follower.hear():
            self.wires.forget_reload(self._reload)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _until_due(self, now: float) -> float:
        try:
            due = self.store.next_due()
        except StoreError:
            # The turn that follows meets the same, and says it.
            return self._store_pause
        wait = min(self._next_tick - now, TICK, self.upkeep.forgetting.until_next())
        if due is not None and not self._stopping:
            # A delivery that is due and was not claimed waits for room or rate, which come with other news.
            wait = min(wait, due - now) if due > now else min(wait, self.limits.until_rate(now, TICK))
        return max(0.0, wait)

    # One turn --------------------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Take one turn; return whether another should follow at once. A store that refuses is asked again later."""
        pending = self._pending
        began = time.perf_counter()
        turn = Turn()
        try:
            with self.store.transaction():
                self._take(turn, pending, clock.now())
        except StoreError as ex:
            self.routing.forget()
            self._cursors_are_right = False
            if not self.upkeep.make_room(ex):
                self.log.say("store", f"{ex}; trying again", level="error")
                time.sleep(self._store_pause)
            return True
        self._pending = []
        self._after(turn, time.perf_counter() - began)
        return turn.busy

    def _take(self, turn: Turn, pending: list[Ended], now: float) -> None:
        if not self._cursors_are_right:
            self.cursors = self.store.cursors()
            self._cursors_are_right = True
        tick = now >= self._next_tick
        self._look_at_the_clock(now)
        for ended in pending:
            self._record(turn, ended, now)
        if tick:
            self._tick(turn, now)
        if not self._stopping:
            self._route(turn, now)
            self._claim(turn, now)

    def _look_at_the_clock(self, now: float) -> None:
        """While the wall clock has jumped, age proves nothing: nothing expires, is given up or falls silent for it."""
        right = self.watch.believes(now)
        if right == self._clock_is_right:
            return
        self._clock_is_right = right
        if right:
            self.log.add("clock", "the clock is right again; what is too old expires as usual")
            return
        off = self.watch.off_by(now)
        text = f"the clock jumped {'forward' if off > 0 else 'back'} by {spell(abs(off))}: nothing expires until it is "
        self.log.add("clock", f"{text}right again; if it is right now, restart callrouter", level="error")

    def _believed(self, owed: Owed, now: float) -> Owed:
        return owed if self._clock_is_right else owed._replace(since=now, tried_since=now)

    def _record(self, turn: Turn, ended: Ended, now: float) -> None:
        claim, outcome = ended.claim, ended.outcome
        destination = self.config.destinations.get(claim.destination)
        earlier = claim.delivery_id in self._with_earlier_settings
        self._with_earlier_settings.discard(claim.delivery_id)
        if destination is None:
            # Given up, or else a reload would not have let it go.
            return
        attempt, pause = judge(
            outcome,
            owed=self._believed(claim.owed, now),
            destination=destination,
            owner=self.owner,
            now=now,
        )
        if self.store.record(attempt):
            turn.attempts.append((claim, attempt))
        if pause and not earlier:
            self.store.pause(claim.destination, pause, destination.fingerprint, now)
            turn.paused.append((claim.destination, pause))

    def _tick(self, turn: Turn, now: float) -> None:
        self._next_tick = now + TICK
        turn.ticked = True
        self.cursors[CURSOR] = self.orders.obey(self.commands, self.cursors.get(CURSOR, 0), now)
        turn.routed += [(routed, now) for routed in self.orders.readmitted]
        self.orders.readmitted.clear()
        if now >= self._next_renewal:
            self._next_renewal = now + RENEW_EVERY
            self.store.renew(self.owner, now + self._lease)
            self._settle_lapsed(turn, now, now)

    def _settle_lapsed(self, turn: Turn, before: float, now: float) -> None:
        for lapsed in self.store.lapsed(before, MOST_ENTRIES):
            destination = self.config.destinations.get(lapsed.destination)
            if destination is None:
                continue
            reason = "callrouter was interrupted during this attempt; whether it arrived is not known"
            outcome = Outcome(lapsed.delivery_id, lapsed.attempt, "unknown", reason, None, None, lapsed.leased_at, now)
            attempt, _ = judge(
                outcome,
                owed=self._believed(lapsed.owed, now),
                destination=destination,
                owner=lapsed.owner,
                now=now,
            )
            if self.store.record(attempt):
                turn.attempts.append((_claim_of(lapsed), attempt))

    def _route(self, turn: Turn, now: float) -> None:
        entries = self.inbox.read(self.cursors, MOST_ENTRIES)
        turn.entries = len(entries)
        moved: dict[str, int] = {}
        for entry in entries:
            turn.routed.append((self.routing.route(entry, now), entry.received_at))
            moved[entry.segment] = entry.id
        for segment, position in moved.items():
            self.store.move_cursor(segment, position)
            self.cursors[segment] = position
        self._lag = now - entries[-1].received_at if entries else 0.0
        # What still waits in the inbox may hold the `answered` that keeps a call from being missed.
        until = entries[-1].received_at if len(entries) == MOST_ENTRIES else now
        turn.routed += [(routed, now) for routed in self.routing.end_calls(until, silent=self._clock_is_right)]

    def _claim(self, turn: Turn, now: float) -> None:
        if time.monotonic() < self._claim_from:
            return
        for name, destination in self.config.destinations.items():
            if destination.disabled or not self.senders.able(self.limits.shares[name]):
                continue
            limit = min(MOST_CLAIMS, room(destination.concurrency, self.senders.in_hand(name)))
            bucket = self.limits.buckets.get(name)
            if bucket:
                limit = min(limit, bucket.allowed(now))
            if limit <= 0:
                continue
            claims = self.store.claim(name, now=now, owner=self.owner, lease_until=now + self._lease, limit=limit)
            if bucket:
                bucket.take(len(claims))
            claims, early = self.suspects.hold_back(claims, self._in_hand(turn))
            for claim in early:
                self.store.record(put_off(claim, owner=self.owner, now=now, until=now + LATER))
            for claim in claims:
                expired = expired_before_sending(claim, destination=destination, owner=self.owner, now=now)
                if expired is None or not self._clock_is_right:
                    turn.claims.append(claim)
                elif self.store.record(expired):
                    turn.attempts.append((claim, expired))

    def _in_hand(self, turn: Turn) -> Iterator[Claim]:
        yield from turn.claims
        yield from self.senders.claims()

    def _after(self, turn: Turn, seconds: float) -> None:
        self.senders.hand_over(turn.claims, self.limits.shares)
        self.wires.mind_unsent()
        now = clock.now()
        for routed, received_at in turn.routed:
            report.routed(self.log, self.metrics, routed, now - received_at)
        for claim, attempt in turn.attempts:
            report.attempted(self.log, self.metrics, claim, attempt)
        for destination, reason in turn.paused:
            report.paused(self.log, destination, reason)
        self.metrics.turned(seconds)
        if turn.ticked:
            self.upkeep.tick(self.config, self.cursors, now, self._lag, self.senders.total)
        self.upkeep.forget(self.config, self.cursors, now, believed=self._clock_is_right)
        self.log.flush()

    # Reload ----------------------------------------------------------------------------------------------

    def _move_to(self, config: Config, number: int) -> None:
        """Work by *config* from the next turn on; raises ConfigError and StoreError, and then nothing has changed."""
        # What operators have asked for counts first: they may just have given up what keeps a destination.
        self._next_tick = 0.0
        self.turn()
        routing = Routing(self.store, config)
        orders = Orders(self.store, routing, config, self.log)
        names = {old: new for new, old in former_names(config).items() if old in self.config.destinations}
        left = {names.get(name, name): bucket for name, bucket in self.limits.buckets.items()}
        limits = Limits(config, self._sender_count, clock.now(), left)
        for name in fit(self.store, config, number, clock.now()):
            self.log.say("daemon", f"{name}: its settings have changed since it was paused; sending again")
        # From here on it is decided, and nothing may fail.
        before, self.config = self.config, config
        self.routing, self.orders, self.limits = routing, orders, limits
        self._lease = lease(config)
        self.senders.rename(names)
        for ended in self._pending:
            ended.claim.destination = names.get(ended.claim.destination, ended.claim.destination)
        changed = {name for name, one in config.destinations.items() if _fingerprint(before, name) != one.fingerprint}
        in_hand = self.senders.claims()
        self._with_earlier_settings |= {claim.delivery_id for claim in in_hand if claim.destination in changed}
        # Until the senders have moved, they would send with the settings of before.
        self._claim_from = time.monotonic() + FOLLOWING

    def _everybody_moved(self) -> None:
        self._claim_from = 0.0

    # Start -----------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Settle what an earlier worker left leased: the lock on the store says that it, and its senders, are gone."""
        turn = Turn()
        with self.store.transaction():
            while True:
                before = len(turn.attempts)
                self._settle_lapsed(turn, float("inf"), clock.now())
                if len(turn.attempts) == before:
                    break
        for claim, attempt in turn.attempts:
            report.attempted(self.log, self.metrics, claim, attempt)
        self.log.flush()


def _fingerprint(config: Config, name: str) -> str | None:
    destination = config.destinations.get(name)
    return destination.fingerprint if destination else None


def _claim_of(lapsed: Lapsed) -> Claim:
    """What the log and the metrics need of a delivery that was not claimed by this worker."""
    return Claim(
        delivery_id=lapsed.delivery_id,
        attempt=lapsed.attempt,
        destination=lapsed.destination,
        rule=None,
        key="",
        source="",
        received_at=lapsed.received_at,
        body=b"",
        facts="{}",
        call=Call("", ""),
        receipt=None,
        event_id=0,
        event_type="",
        call_id="",
        owed=lapsed.owed,
    )
