"""What a decision would send: to whom, who asked for it, and what the templates would say. Nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from router.config.model import Config
from router.deciding import Decided
from router.rendering import rendered


@dataclass(frozen=True, slots=True)
class Foretold:
    """One delivery that would be made, or was not, because its destination is disabled."""

    destination: str
    rule: str | None
    #: In words: ``by rule "missed-calls"``.
    asker: str
    event_type: str
    #: Template setting → what it would say, as ``rendering.rendered`` has it.
    said: Mapping[str, str]
    #: Why nothing would be sent; None when it would.
    disabled: str | None


def foretell(config: Config, decided: Decided) -> list[Foretold]:
    """Return everything that *decided* asks for under *config*, disabled destinations included."""
    decision, foretold = decided.decision, []
    for send in decision.sends:
        destination = config.destinations[send.destination]
        delivery = decided.delivery(send.destination, send.rule)
        foretold.append(
            Foretold(
                destination=send.destination,
                rule=send.rule,
                asker=config.decider.asker(send, decision),
                event_type=decided.event.event_type,
                said=rendered(config.settings(send.destination, send.rule), delivery),
                disabled=destination.disabled,
            )
        )
    return foretold
