"""Several deliveries told to their destination together: one call of the plugin, and an outcome for each.

Only what waits while a slot is busy goes together: nobody waits for company. Whose fault it is that a batch is refused
as a whole is found by halving it, so that one delivery never takes the others along.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from router import clock
from router.config.model import Destination
from router.errors import DeliveryFailed, PermanentFailure, TakenAsDelivered
from router.outgoing.kept import Heard
from router.plugin import Delivery, Result, Settings
from router.sender import Job, Outcome
from router.sender.attempt import Attempts, delivery_of
from router.sender.begun import Begun

#: So many times its destination's ``timeout`` a batch has for everything it asks; a lease lasts longer.
TIMES_LONGER = 2


class Batches(Attempts):
    """Makes attempts at one destination whose plugin takes several at once, and notes in *begun* what it begins."""

    def __init__(
        self, destination: Destination, overrides: Mapping[str, Settings] = MappingProxyType({}), *, begun: Begun
    ) -> None:
        super().__init__(destination, overrides)
        self._begun = begun

    def __call__(self, job: Job) -> Outcome:
        """Make one attempt and return how it ended; raises nothing."""
        self._begun.begin(job.delivery_id, job.attempt)
        return self.make(job)

    def together(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Make an attempt at each of *jobs* in as few calls of the plugin as can be; return how each ended.

        Rules with texts of their own have a plugin of their own, and so a batch.
        """
        by_plugin: dict[str | None, list[Job]] = {}
        for job in jobs:
            by_plugin.setdefault(job.rule if job.rule in self._overrides else None, []).append(job)
        return [outcome for some in by_plugin.values() for outcome in self._within_its_time(some)]

    def _within_its_time(self, jobs: Sequence[Job]) -> list[Outcome]:
        for job in jobs:
            self._begun.begin(job.delivery_id, job.attempt)
        until = time.monotonic() + TIMES_LONGER * self._destination.timeout
        outcomes: list[Outcome] = []
        waiting, told = [jobs], False
        try:
            while waiting:
                some = waiting.pop(0)
                tried = self._tried(some, until)
                if isinstance(tried, list):
                    outcomes += tried
                    continue
                if not told and not isinstance(tried, DeliveryFailed):
                    told = True
                    self._log_bug(some[0], "".join(traceback.format_exception(tried)))
                middle = len(some) // 2
                waiting += [some[:middle], some[middle:]]
        finally:
            if self._http:
                self._http.until = None
        return outcomes

    def _tried(self, jobs: Sequence[Job], until: float) -> list[Outcome] | BaseException:
        """Return how each attempt ended, or what speaks against the whole batch and may be one delivery's fault."""
        if len(jobs) == 1:
            return [self.make(jobs[0])]
        started_at = clock.now()
        deliveries = [delivery_of(job, started_at) for job in jobs]
        whole: DeliveryFailed | None = None
        results: Sequence[Result] = ()
        try:
            plugin = self._plugin_for(jobs[0].rule)
            if self._http:
                self._http.until, self._http.heard = until, None
            results = plugin.deliver_many(deliveries)
            wrong = None if len(results) == len(jobs) else f"{len(results)} results for {len(jobs)} deliveries"
        except (PermanentFailure, TakenAsDelivered) as ex:
            return ex
        except DeliveryFailed as ex:
            whole, wrong = ex, None
        # As for one delivery: whatever a plugin does, it takes neither its deliveries nor this thread along.
        except BaseException as ex:  # noqa: BLE001 - see above
            return ex
        if wrong is not None:
            return ValueError(f"deliver_many returned {wrong}")
        if whole is not None:
            failed = [self._failed(*one, started_at, whole) for one in zip(jobs, deliveries, strict=True)]
            return [one._replace(batch=jobs[0].delivery_id) for one in failed]
        heard = self._http.heard if self._http else None
        return [self._ended(*one, started_at, heard) for one in zip(jobs, deliveries, results, strict=True)]

    def _ended(self, job: Job, delivery: Delivery, result: Any, started_at: float, heard: Heard | None) -> Outcome:
        if self._http:
            self._http.heard = heard
        if not isinstance(result, DeliveryFailed):
            return self._delivered(job, delivery, started_at, result)
        if self._http and heard:
            # What the destination said of the others is none of this one's business.
            status = result.status or heard.status
            own = heard._replace(status=status, headers=result.headers, body=result.body)
            self._http.heard = own if result.body else None
        return self._failed(job, delivery, started_at, result)
