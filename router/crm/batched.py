"""The way of many calls into a CRM that takes several records in one request: first their contacts, then they."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from router.crm.call import CallFacts, facts_of
from router.crm.contacts import Contact, choose
from router.crm.plugin import Crm, Known, S, known_by
from router.errors import AnswerLost, DeliveryFailed, PermanentFailure
from router.phone import Number
from router.plugin import Delivery, Result

#: What became of one record: the id under which the CRM keeps it, or why it does not.
Kept = str | DeliveryFailed

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Entry:
    """One call, ready to be written: about whom, with which title and note, and what is known of its record."""

    call: CallFacts
    texts: tuple[str, str]
    known: Known
    contacts: tuple[str, ...]


class BatchedCrm(Crm[S]):
    """Keeps one record per call, and writes those of many calls together where a backlog waits.

    It must leave the CRM as writing each call by itself would: the same contacts, and no second record. Each of its
    methods raises only what is true of everything that was asked for.
    """

    @abstractmethod
    def find_all(self, numbers: Sequence[Number]) -> Iterable[Contact]:
        """Return contacts that may have one of *numbers*; too many rather than too few, as ``find`` does."""

    @abstractmethod
    def create_all(self, numbers: Sequence[Number]) -> Mapping[str, Kept]:
        """Return number (E.164) → what became of the contact that was made of it, as ``create`` makes one."""

    @abstractmethod
    def write_all(self, entries: Sequence[Entry]) -> Sequence[Kept]:
        """Write the records of *entries*, as ``write`` writes one, and return what became of each, in their order."""

    def deliver_many(self, deliveries: Sequence[Delivery]) -> Sequence[Result]:
        results: dict[int, Result] = {}
        entries: dict[int, Entry] = {}
        for place, delivery in enumerate(deliveries):
            if delivery.is_alert:  # news of callrouter, and of no call
                results[place] = None
                continue
            call = facts_of(delivery.call, delivery.facts, delivery.accepted_at)
            if not self.keeps(call):
                results[place] = delivery.receipt
                continue
            known = known_by(delivery.receipt, self.type)
            entries[place] = Entry(call, self._texts(delivery), known, known.contacts)
        for place, failure in self._with_contacts(entries).items():
            results[place] = failure
            del entries[place]
        written = self.write_all(list(entries.values())) if entries else ()
        for (place, entry), kept in zip(entries.items(), written, strict=True):
            results[place] = self._receipt(kept, entry.contacts) if isinstance(kept, str) else kept
        return [results[place] for place in range(len(deliveries))]

    def _with_contacts(self, entries: dict[int, Entry]) -> dict[int, DeliveryFailed]:
        """Put into *entries* whom each is about; return the places of those that cannot be told, with the reason."""
        open_ = {place: one.call for place, one in entries.items() if not one.contacts and one.call.customer}
        numbers = {number.e164: number for call in open_.values() if (number := call.customer)}
        pool = self._pool(list(numbers.values()))
        strangers: dict[int, str] = {}
        for place, call in open_.items():
            if call.customer is None:
                continue
            found = choose(pool, call.customer, call.home, self.settings.several)
            entries[place] = replace(entries[place], contacts=tuple(found))
            if not found:
                strangers[place] = call.customer.e164
        if not (strangers and self.settings.create_contact):
            return {}
        made = self.create_all([numbers[number] for number in dict.fromkeys(strangers.values())])
        failed: dict[int, DeliveryFailed] = {}
        for place, stranger in strangers.items():
            kept = made[stranger]
            if isinstance(kept, str):
                entries[place] = replace(entries[place], contacts=(kept,))
            else:
                failed[place] = kept
        return failed

    def _pool(self, numbers: Sequence[Number]) -> list[Contact]:
        if len(numbers) > 1:
            # One number, or the way of asking for many, may be what the CRM dislikes: that must not end every batch.
            with suppress(PermanentFailure):
                return list(self.find_all(numbers))
        return [contact for number in numbers for contact in self.find(number)]


def parts(some: Sequence[V], most: int) -> Iterator[Sequence[V]]:
    """Return *some* in parts of at most *most*."""
    return (some[at : at + most] for at in range(0, len(some), most))


def sorted_out(
    names: Mapping[K, frozenset[str]],
    done: Mapping[K, str],
    refusals: Iterable[tuple[frozenset[str], DeliveryFailed]],
) -> dict[K, Kept]:
    """Return what became of each item of a request that was accepted in part.

    *names* has what an item may be called in a refusal, *done* those that were accepted, *refusals* what is called what
    in them, with the failure. A refusal that names nobody counts for everything unanswered, but a PermanentFailure is
    raised where that is more than one: it is of one of them, and nobody knows which. What nobody speaks of ends in
    AnswerLost.
    """
    known = frozenset[str]().union(*names.values())
    ended: dict[K, Kept] = dict(done)
    nameless: DeliveryFailed | None = None
    for called, failure in refusals:
        if not called & known:
            nameless = nameless or failure
        for item, mine in names.items():
            if item not in ended and called & known and called & known <= mine:
                ended[item] = failure
    unanswered = [item for item in names if item not in ended]
    if isinstance(nameless, PermanentFailure) and len(unanswered) > 1:
        raise nameless
    lost = AnswerLost("the CRM accepted the request and said nothing of this record; whether it keeps it is not known")
    return ended | dict.fromkeys(unanswered, nameless or lost)


def given(said: Any) -> list[dict[str, Any]]:
    """Return the objects in *said*, which should be a list of them."""
    return [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
