"""The worker's loop: one transaction a turn, in which it records, obeys, routes and claims.

A turn begins when something came in or fell due. Only after its commit are deliveries handed to senders, events
logged and finished inbox segments deleted, so that a crash at any point repeats a step and loses nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence

from router import clock
from router.commands import Commands
from router.config import Config
from router.errors import StoreError
from router.intake import Intake
from router.logs import Log
from router.metrics import Metrics
from router.reload.follower import Follower
from router.reload.link import Link
from router.store import Owed, Store
from router.store.nodes import Alone, Membership
from router.worker import lapses, report
from router.worker.alerting import Alerting, terms
from router.worker.claiming import RENEW_EVERY, Claiming
from router.worker.clockwatch import ClockWatch
from router.worker.fitting import fit, former_names, stranded
from router.worker.orders import CURSOR, Orders
from router.worker.routing import Found, Routing, find
from router.worker.senders import Ended
from router.worker.suspects import Suspects
from router.worker.turn import Turn
from router.worker.upkeep import Upkeep
from router.worker.verdict import judge
from router.worker.wires import Wires

#: Inbox entries per turn.
MOST_ENTRIES = 400
#: Seconds from the start of one busy turn to the next: larger batches cost less per event.
SHORTEST_TURN = 0.010
#: Seconds between looks at what nobody announces.
TICK = 1.0
#: Seconds before a store that refused is asked again.
STORE_PAUSE = 1.0
#: Seconds without the store after which senders are to begin nothing more of what they have.
SILENT = 5.0
#: Seconds to claim nothing while the senders follow in a reload, or until the supervisor says that they have.
FOLLOWING = 5.0
#: Seconds that a reload waits for a `give-up` of what keeps a destination.
GIVING_UP = 2.0


class Worker:
    """Owns the store. Single-threaded."""

    def __init__(
        self,
        config: Config,
        store: Store,
        intake: Intake,
        commands: Commands,
        *,
        log: Log,
        metrics: Metrics,
        control: socket.socket,
        reload: Link,
        senders: int,
        number: int = 0,
        store_pause: float = STORE_PAUSE,
        daemon: float | None = None,
        end: Callable[[], None] = lambda: None,
        membership: Membership | None = None,
    ) -> None:
        """Work by *config*, that of reload *number*, and hear over *reload* of others.

        *end* ends the whole daemon, the one that was started at *daemon*. *membership* is this node's among others.
        """
        self.config, self.store, self.log, self.metrics = config, store, log, metrics
        self.membership = membership or Alone()
        node = self.membership.name
        #: Begins with the node, whose next worker knows by it what this one has left behind.
        self.owner = f"{node}/{os.getpid()}-{time.time_ns():x}"
        self.routing = Routing(store, config)
        self.alerting = Alerting(store, config, clock.now(), node=node)
        self.commands = commands
        self.orders = Orders(store, self.routing, config, log, self.commands, daemon=daemon)
        self._daemon, self._end = daemon, end
        self.intake = intake
        self.upkeep = Upkeep(store, intake, commands, config.data, log=log, metrics=metrics)
        #: The id of the last command that was carried out; None: the store knows.
        self._position: int | None = None
        self.wires = Wires(config.data, control, reload)
        self.senders = self.wires.senders
        self.suspects = Suspects()
        self._sender_count = senders
        self.claiming = self._claiming(config, None, {})
        self.senders.divide(self.membership.place)
        self.follower = Follower(reload, config, number=number, use=self._move_to, done=self._everybody_moved)
        self._reload = reload
        self._claim_from = 0.0
        self.watch = ClockWatch(clock.now())
        self._clock_is_right = True
        self._store_pause = store_pause
        self._stopping = self._stood_down = False
        self._lag = 0.0
        #: On the monotonic clock: a wall clock that was set back would put off ticks for hours.
        self._next_tick = self._next_renewal = 0.0
        self._pending: list[Ended] = []

    def run(self) -> int:
        """Work until SIGTERM, then until the senders have reported; return the exit code."""
        signal.set_wakeup_fd(self.wires.wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        self.recover()
        more = False
        while not (self._stopping and not self.senders.connections):
            began = time.monotonic()
            self.gather(0.0 if more else self._until_due(clock.now()))
            more = self.turn()
            if more and (rest := SHORTEST_TURN - (time.monotonic() - began)) > 0:
                time.sleep(rest)
        self.turn()
        with contextlib.suppress(StoreError):
            self.membership.leave()
        self.close()
        return 0

    def close(self) -> None:
        """Let go of everything but the store."""
        signal.set_wakeup_fd(-1)
        self.wires.close()
        self.intake.close()

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
        wait = min(
            self._next_tick - time.monotonic(),
            self.upkeep.forgetting.until_next() if self.membership.leads else TICK,
            self.membership.until_next,
            self.intake.until_look(),
        )
        if due is not None and not self._stopping:
            # A delivery that is due and was not claimed waits for room or rate, which come with other news.
            wait = min(wait, due - now) if due > now else min(wait, self.claiming.limits.until_rate(now, TICK))
        return max(0.0, wait)

    # The others ------------------------------------------------------------------------------------------

    def _mind_the_others(self) -> None:
        """Say that this node lives, and follow what has changed among all; raises StoreError."""
        if self._stopping and not self._stood_down:
            self._stood_down = True
            self.membership.stand_down()
        if self.membership.until_next > 0:
            return
        place, led = self.membership.place, self.membership.leads
        if self.membership.tend(
            report.about(self.config, self.senders.total, self._lag), settled=self.claiming.settled
        ):
            # Whoever routed these calls until now knows more of them.
            self.routing.forget()
        if self.membership.leads and not led:
            self.orders.forget()
        if self.membership.place != place:
            self.claiming = self._claiming(self.config, self.claiming, {})
            self.senders.divide(self.membership.place)

    def _wait_for_the_store(self) -> None:
        if self.membership.silence > SILENT:
            # The others will take this node for gone: what it has not begun they may begin.
            for name in self.config.destinations:
                self.senders.recall(name)
        time.sleep(self._store_pause)

    # One turn --------------------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Take one turn; return whether another should follow at once. A store that refuses is asked again later."""
        pending = self._pending
        began = time.perf_counter()
        turn = Turn()
        try:
            self._mind_the_others()
            with self.store.transaction():
                self._take(turn, pending, clock.now())
        except StoreError as ex:
            self.routing.forget()
            self.alerting.forget()
            self.claiming.undo(turn.claims)
            self.orders.forget()
            self.intake.forget()
            self._position = None
            if not self.upkeep.make_room(ex):
                self.log.say("store", f"{ex}; trying again", level="error")
                self._wait_for_the_store()
            return True
        self._pending = []
        self._after(turn, time.perf_counter() - began)
        return turn.busy

    def _take(self, turn: Turn, pending: list[Ended], now: float) -> None:
        found = [] if self._stopping else [find(entry) for entry in self.intake.read(MOST_ENTRIES)]
        self._expect(found, pending)
        tick = time.monotonic() >= self._next_tick
        self._look_at_the_clock(now)
        for ended in pending:
            self._record(turn, ended, now)
        if tick:
            self._tick(turn, now)
        if self.membership.leads and self.orders.busy:
            turn.routed += [(routed, now) for routed in self.orders.go_on(now)]
            turn.ordered = self.orders.busy
        if not self._stopping:
            self._route(turn, found, now)
        self.alerting.follow(turn, now, self._lag, self.watch, leads=self.membership.leads)
        self._claim(turn, now)

    def _look_at_the_clock(self, now: float) -> None:
        """While the wall clock has jumped, age proves nothing: nothing expires, is given up or falls silent for it."""
        right = self.watch.believes(now)
        if right == self._clock_is_right:
            return
        self._clock_is_right = right
        report.clock(self.log, 0.0 if right else self.watch.off_by(now))

    def _believed(self, owed: Owed, now: float) -> Owed:
        return owed if self._clock_is_right else owed._replace(since=now, tried_since=now)

    def _record(self, turn: Turn, ended: Ended, now: float) -> None:
        claim, outcome = ended.claim, ended.outcome
        destination = self.config.destinations.get(claim.destination)
        present = self.claiming.learn(ended)
        if destination is None:
            # Given up, or else a reload would not have let it go.
            return
        attempt, pause = judge(
            outcome,
            owed=self._believed(self.claiming.patience(claim.destination, claim.owed), now),
            destination=terms(destination, claim.event_type),
            owner=self.owner,
            now=now,
        )
        if self.store.record(attempt):
            turn.attempts.append((claim, attempt))
        if pause and present and all(name != claim.destination for name, _ in turn.paused):
            self.store.pause(claim.destination, pause, destination.fingerprint, now)
            turn.paused.append((claim.destination, pause))

    def _tick(self, turn: Turn, now: float) -> None:
        beat = time.monotonic()
        self._next_tick = beat + TICK
        turn.ticked = True
        if self._position is None:
            self._position = self.store.cursors().get(CURSOR, 0)
        if self.membership.leads:
            self._position = self.orders.obey(self._position, now)
        else:
            self._position = self.orders.watch(self._position, self.store.cursors().get(CURSOR, 0))
        if beat >= self._next_renewal:
            self._next_renewal = beat + RENEW_EVERY
            self.store.renew(self.owner, now + self.claiming.lease)
            self._settle_lapsed(turn, now, now)

    def _settle_lapsed(self, turn: Turn, before: float, now: float, *, owners: str | None = None) -> None:
        turn.attempts += lapses.settle(self.store, self.config, before, now, owners=owners, believed=self._believed)

    def _expect(self, found: Sequence[Found], pending: Sequence[Ended]) -> None:
        """Tell the store what this turn is about, all at once."""
        events = [one.event for one in found if one.event is not None]
        if events or pending:
            self.store.expect(
                attempts=[ended.outcome.delivery_id for ended in pending],
                calls=[(event.source, event.call_id) for event in events],
                keys=[event.key for event in events],
            )

    def _route(self, turn: Turn, found: Sequence[Found], now: float) -> None:
        entries = [one.entry for one in found]
        turn.entries = len(entries)
        turn.routed += [(self.routing.route(one, now), one.entry.received_at) for one in found]
        self.intake.routed(entries)
        self._lag = now - entries[-1].received_at if entries else 0.0
        # What still waits in the inbox may hold the `answered` that keeps a call from being missed.
        until = entries[-1].received_at if len(entries) == MOST_ENTRIES else now
        turn.routed += [(routed, now) for routed in self.routing.end_calls(until, silent=self._clock_is_right)]

    def _claiming(self, config: Config, before: Claiming | None, names: Mapping[str, str]) -> Claiming:
        return Claiming(
            config,
            self.store,
            self.senders,
            self.suspects,
            owner=self.owner,
            count=self._sender_count,
            now=clock.now(),
            before=before,
            names=names,
            place=self.membership.place,
        )

    def _claim(self, turn: Turn, now: float) -> None:
        if self._stopping or time.monotonic() < self._claim_from or not self.membership.may_claim:
            return
        claims, unmade = self.claiming.claim(now, clock_is_right=self._clock_is_right)
        turn.claims += claims
        turn.attempts += unmade

    def _after(self, turn: Turn, seconds: float) -> None:
        limits = self.claiming.limits
        self.senders.hand_over(turn.claims, limits.shares, limits.retries)
        for name in (*self.orders.recalled, *self.claiming.opened, *(name for name, _ in turn.paused)):
            self.senders.recall(name)
        self.orders.recalled.clear()
        self.wires.mind_unsent()
        now = clock.now()
        for routed, received_at in turn.routed:
            report.routed(self.log, self.metrics, routed, now - received_at)
        for claim, attempt in turn.attempts:
            report.attempted(self.log, self.metrics, claim, attempt)
        for destination, reason in turn.paused:
            report.paused(self.log, destination, reason)
        report.alerted(self.log, self.metrics, self.alerting.told(), self.config)
        report.breakers(self.log, self.claiming)
        self.metrics.turned(seconds)
        if turn.ticked:
            self.upkeep.tick(
                self.config,
                now,
                lag=self._lag,
                in_hand=self.senders.total,
                breakers=self.claiming.standings(now),
            )
        if self.membership.leads:
            self.upkeep.forget(self.config, self._position or 0, now, believed=self._clock_is_right)
        self.log.flush()
        if self.orders.take_end():
            self._end()

    # Reload ----------------------------------------------------------------------------------------------

    def _move_to(self, config: Config, number: int) -> None:
        """Work by *config* from the next turn on; raises ConfigError and StoreError, and then nothing has changed."""
        # What operators have asked for counts first: they may just have given up what keeps a destination.
        self._next_tick = 0.0
        self.turn()
        self.orders.hurry(self.turn, lambda: stranded(self.store, config), GIVING_UP)
        routing = Routing(self.store, config)
        orders = Orders(self.store, routing, config, self.log, self.commands, daemon=self._daemon)
        names = {old: new for new, old in former_names(config).items() if old in self.config.destinations}
        for name in fit(self.store, config, number, clock.now()):
            self.log.say("daemon", f"{name}: its settings have changed since it was paused; sending again")
        # From here on it is decided, and nothing may fail.
        self.config, self.routing, self.orders = config, routing, orders
        self.alerting = Alerting(self.store, config, clock.now(), node=self.membership.name)
        self.senders.rename(names)
        for ended in self._pending:
            ended.claim.destination = names.get(ended.claim.destination, ended.claim.destination)
        self.claiming = self._claiming(config, self.claiming, names)
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
                self._settle_lapsed(turn, float("inf"), clock.now(), owners=f"{self.membership.name}/")
                if len(turn.attempts) == before:
                    break
            self.alerting.follow(turn, clock.now(), self._lag, self.watch)
        for claim, attempt in turn.attempts:
            report.attempted(self.log, self.metrics, claim, attempt)
        report.alerted(self.log, self.metrics, self.alerting.told(), self.config)
        self.log.flush()
