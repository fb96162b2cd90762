"""The route step: an event moves its call, the rules decide, and what is owed to whom is written down."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from router.calls import Call, counts_as_before, ended_event, fall_silent, tell
from router.config import Config
from router.deciding import Decided
from router.errors import Fault, InvalidEvent, StoreError
from router.event import CallEvent, check, read
from router.inbox import Entry
from router.routes import Send
from router.store import NewDelivery, NewEvent, Store
from router.worker.withholding import Withholding

log = logging.getLogger("callrouter.routing")

#: Calls kept in memory; a busy hour of a large office. About a kilobyte each.
_RECENT = 10_000


@dataclass(slots=True)
class Routed:
    """What became of one event, for logs and counts."""

    source: str
    #: None when the body is in quarantine and nothing in it was read.
    call_id: str | None = None
    event_type: str | None = None
    #: None when it is in quarantine, or known already.
    event_id: int | None = None
    rules: tuple[str, ...] = ()
    #: Who is owed the event.
    destinations: tuple[str, ...] = ()
    #: Who would be owed it, were they not disabled.
    skipped: tuple[str, ...] = ()
    #: What ended at once: silenced, or owed to a destination that drains.
    withheld: tuple[NewDelivery, ...] = ()
    unmatched: bool = False
    late: bool = False
    duplicate: bool = False
    #: Its id in quarantine, with the reason in ``faults``; None when it is not there.
    quarantined: int | None = None
    faults: tuple[Fault, ...] = ()
    #: Another node routes it.
    passed_on: bool = False
    #: On ``call_ended`` and ``call_corrected`` only.
    outcome: str | None = None
    missed: bool | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One inbox entry that was read; without an event, its ``faults`` say why it is none."""

    entry: Entry
    event: CallEvent | None
    faults: Sequence[Fault] = ()


def find(entry: Entry) -> Found:
    """Read *entry*; whatever is wrong with it is one of its faults."""
    if entry.faults:
        return Found(entry, None, entry.faults)
    try:
        return Found(entry, read(entry.body, entry.source, entry.received_at))
    except InvalidEvent as ex:
        return Found(entry, None, ex.faults)
    except Exception as ex:
        log.exception("An event of source %s could not be read; it is in quarantine.", entry.source)
        return Found(entry, None, [_bug(ex)])


class Routing:
    """Routes under one configuration; a reload makes a new one.

    Everything is to be called inside a transaction of the store. When that is rolled back, ``forget`` must follow:
    what is remembered of calls may then be news that never happened.
    """

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config
        self._recent: OrderedDict[tuple[str, str], Call] = OrderedDict()
        #: None: the store knows.
        self._withholding: Withholding | None = None

    def forget(self) -> None:
        """Ask the store for each call again, and for what operators keep back."""
        self._recent.clear()
        self._withholding = None

    def operators_changed(self) -> None:
        """Ask the store again for what operators keep back."""
        self._withholding = None

    def route(self, found: Found, now: float) -> Routed:
        """Route what was found in the inbox: it becomes an event with its deliveries, or a quarantined body.

        Nothing but StoreError is raised: an entry that cannot be routed, for whatever reason, goes to quarantine with
        that reason, so that it is neither lost nor in the way of others. A duplicate changes nothing.
        """
        entry = found.entry
        if found.event is None:
            return self._set_aside(entry, found.faults)
        try:
            return self._route(found.event, now)
        except StoreError:
            raise
        except Exception as ex:
            log.exception("An event of source %s could not be routed; it is in quarantine.", entry.source)
            return self._set_aside(entry, [_bug(ex)])

    def end_calls(self, now: float, limit: int = 500, *, silent: bool = True) -> list[Routed]:
        """Say ``call_ended`` or ``call_corrected`` of up to *limit* calls for which it is due.

        End silent ones too, unless *silent* is False: how long a call was silent is not known while the clock is off.
        While the inbox still has entries, *now* must be the time of receipt of the last one routed: an ``answered``
        that waits there was received in time, and its call is neither missed nor silent.
        """
        told = []
        stale_before = now - self._config.stale_after if silent else float("-inf")
        for call in self._store.calls_to_end(now, stale_before, limit):
            told.append(self._tell(call if call.end_due_at is not None else fall_silent(call, now), now))
        return told

    def readmit(self, quarantine_id: int, now: float) -> Routed | None:
        """Route a body from quarantine as an event received *now*, if its source may send it by its present settings.

        Return None, changing nothing, when it may not, when there is no such body or source, or when it was readmitted
        before.
        """
        row = self._store.refused(quarantine_id)
        source = self._config.sources.get(row.source) if row else None
        if row is None or source is None or row.readmitted_at is not None:
            return None
        try:
            check(row.body, validation=source.validation, accept_types=source.accept_types)
            event = read(row.body, row.source, now)
            if self._store.pass_on(event.source, event.call_id, row.body, now):
                routed = Routed(event.source, event.call_id, event.event_type, passed_on=True)
            else:
                routed = self._route(event, now)
        except StoreError:
            raise
        except InvalidEvent:
            return None
        except Exception:
            log.exception("The body %d in quarantine could not be routed; it stays there.", quarantine_id)
            return None
        self._store.readmitted(quarantine_id, now)
        return routed

    def _route(self, event: CallEvent, now: float) -> Routed:
        key = (event.source, event.call_id)
        known = self._recent.get(key) or self._store.call(*key)
        decided = self._config.decider.decide(known, event)
        routed = self._add(decided, now)
        # What was known before has not been touched: a duplicate moves nothing.
        if not routed.duplicate:
            self._keep(decided.following, anew=not counts_as_before(known, decided.call))
        return routed

    def _tell(self, call: Call, now: float) -> Routed:
        following = call
        try:
            decider = self._config.decider
            decided = decider.decide_end(decider.counted(call, self._store.earlier_calls), now)
            routed, following = self._add(decided, now), decided.following
        except StoreError:
            raise
        except Exception as ex:
            log.exception("The end of call %s of source %s could not be routed.", call.call_id, call.source)
            aside = Entry(call.source, ended_event(call, now).body, now, "callrouter")
            routed = self._set_aside(aside, [_bug(ex)])
        self._keep(tell(following))
        return routed

    def _add(self, decided: Decided, now: float) -> Routed:
        event, call, step, decision = decided.event, decided.call, decided.step, decided.decision
        owed, skipped = self._owed(decision.sends)
        withheld = self._withhold(decided, owed, now)
        event_id = self._store.add_event(self._new(decided), owed, now=now)
        if event_id is None:
            return Routed(event.source, event.call_id, event.event_type, duplicate=True)
        return Routed(
            source=event.source,
            call_id=event.call_id,
            event_type=event.event_type,
            event_id=event_id,
            rules=decision.rules,
            destinations=tuple(delivery.destination for delivery in owed if delivery.ended is None),
            skipped=skipped,
            withheld=withheld,
            unmatched=decision.unmatched,
            late=step.late,
            outcome=call.outcome if step.own else None,
            missed=call.missed if step.own else None,
        )

    def _new(self, decided: Decided) -> NewEvent:
        event, decision, step = decided.event, decided.decision, decided.step
        return NewEvent(
            key=event.key,
            source=event.source,
            call_id=event.call_id,
            event_type=event.event_type,
            event_time=event.event_time,
            received_at=event.received_at,
            body=event.body,
            facts=dict(decided.facts),
            late=step.late,
            config_version=self._config.version,
            rules=decision.rules,
            unmatched=decision.unmatched,
            from_sender=not step.own,
        )

    def _owed(self, sends: Sequence[Send]) -> tuple[list[NewDelivery], tuple[str, ...]]:
        owed, skipped = [], []
        for send in sends:
            destination = self._config.destinations[send.destination]
            if destination.disabled is not None:
                skipped.append(send.destination)
                continue
            held = destination.after_dead_letter == "hold"
            owed.append(NewDelivery(send.destination, send.rule, destination.order == "call", held))
        return owed, tuple(skipped)

    def _withhold(self, decided: Decided, owed: Sequence[NewDelivery], now: float) -> tuple[NewDelivery, ...]:
        """End those of *owed* that operators keep back, and return them."""
        if self._withholding is None:
            self._withholding = Withholding(self._store, self._config, now)
        if not self._withholding:
            return ()
        self._withholding.judge(owed, decided.subject, now)
        return tuple(delivery for delivery in owed if delivery.ended is not None)

    def _keep(self, call: Call, *, anew: bool = False) -> None:
        if anew:
            self._store.keep_incoming(call, self._config.decider.incoming(call))
        else:
            self._store.keep_call(call)
        key = (call.source, call.call_id)
        self._recent[key] = call
        self._recent.move_to_end(key)
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)

    def _set_aside(self, entry: Entry, faults: Sequence[Fault]) -> Routed:
        kept = self._store.quarantine(entry.source, entry.body, faults, entry.received_at, entry.remote)
        return Routed(entry.source, quarantined=kept, faults=tuple(faults))


def _bug(ex: Exception) -> Fault:
    return Fault("", f"callrouter failed to route it, which is a mistake in callrouter ({type(ex).__name__}: {ex})")
