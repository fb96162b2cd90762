"""What operators keep back of what is routed: silences, and destinations that drain."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from router.config import Config
from router.config.silences import read_silence
from router.errors import ConfigError
from router.matching import Subject
from router.silencing import Matchers
from router.store import NewDelivery, SilenceRow, State, Store

log = logging.getLogger("callrouter.silence")


class Withholding:
    """As the store has it and *config* understands it. False while there is nothing to ask of any event."""

    def __init__(self, store: Store, config: Config, now: float) -> None:
        self._silences = _compiled(store.silences(now), config)
        self._draining = store.draining()

    def __bool__(self) -> bool:
        return bool(self._silences or self._draining)

    def judge(self, deliveries: Sequence[NewDelivery], subject: Subject, now: float) -> None:
        """End those of *deliveries* that are silenced, or owed to a destination that drains."""
        self._silences = [(row, matchers) for row, matchers in self._silences if row.ends_at > now]
        for delivery in deliveries:
            caught = self._caught(delivery, subject)
            if caught is not None:
                delivery.ended, delivery.silence = State.SILENCED, caught.id
                delivery.reason = f"silence {caught.id} of {caught.who}: {caught.why}"
            elif (reason := self._draining.get(delivery.destination)) is not None:
                delivery.ended = State.CANCELLED
                delivery.reason = f"{delivery.destination} was being drained: {reason}"

    def _caught(self, delivery: NewDelivery, subject: Subject) -> SilenceRow | None:
        for row, matchers in self._silences:
            if matchers.match(subject, delivery.destination, delivery.rule):
                return row
        return None


def _compiled(rows: Sequence[SilenceRow], config: Config) -> list[tuple[SilenceRow, Matchers]]:
    found = []
    for row in rows:
        try:
            matchers = read_silence(row.matchers, config)
        except ConfigError as ex:
            text = "Silence %d catches nothing under this configuration: %s. End it, or make another."
            log.warning(text, row.id, ex.problems[0].text)
            continue
        if matchers.gone:
            log.warning("Silence %d names %s, which the configuration does not have.", row.id, ", ".join(matchers.gone))
        found.append((row, matchers))
    return found
