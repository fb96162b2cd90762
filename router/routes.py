"""The ordered rules: which destinations hear of an event, and by which rule. Pure; no clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from router.matching import Condition, Index, Subject


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of config.yaml, compiled."""

    name: str
    condition: Condition
    send: tuple[str, ...]
    stop: bool = False
    #: ``once: call``: fires for the first event of a call that matches, and for no later one.
    once: bool = False
    #: ``enabled: false``: it is never asked.
    enabled: bool = True
    description: str = ""
    owner: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def sees_own_events(self) -> bool:
        """Whether it names call_ended or call_corrected, or a fact that only they have.

        Every other rule sees the sender's events alone.
        """
        return self.condition.sees_own_events


@dataclass(frozen=True, slots=True)
class Send:
    """One destination that is owed the event; ``rule`` is None when ``always`` or ``unmatched`` says so."""

    destination: str
    rule: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules say of one event. No destination is named twice."""

    rules: tuple[str, ...]
    sends: tuple[Send, ...]
    unmatched: bool
    #: Names of ``once: call`` rules that fired now: keep them with the call.
    fired: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Routes:
    """All rules with ``always`` and ``unmatched``."""

    rules: Sequence[Rule]
    always: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    #: Which rules an event of a sender could match, and which one of our own.
    _of_senders: Index = field(init=False, repr=False, compare=False)
    _of_ours: Index = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        enabled = [(place, rule) for place, rule in enumerate(self.rules) if rule.enabled]
        object.__setattr__(self, "_of_senders", Index([(place, rule.condition) for place, rule in enabled]))
        ours = [(place, rule.condition) for place, rule in enabled if rule.sees_own_events]
        object.__setattr__(self, "_of_ours", Index(ours))

    def decide(self, subject: Subject, *, from_sender: bool = True, fired: Set[str] = frozenset()) -> Decision:
        """Return who hears of *subject*.

        Every matching rule fires, in file order, until one says ``stop``. ``fired`` are the ``once: call`` rules that
        this call has used up: they match but send nothing. ``always`` and ``unmatched`` speak of the sender's
        events alone; ``always`` neither obeys ``stop`` nor counts as a match. The first rule that names a
        destination gets the credit for its delivery.
        """
        matched: list[str] = []
        used: list[str] = []
        sends: dict[str, str | None] = {}
        rules = self.rules
        for place in (self._of_senders if from_sender else self._of_ours).candidates(subject):
            rule = rules[place]
            if not rule.condition.matches(subject):
                continue
            matched.append(rule.name)
            if not (rule.once and rule.name in fired):
                for destination in rule.send:
                    sends.setdefault(destination, rule.name)
                if rule.once:
                    used.append(rule.name)
            if rule.stop:
                break
        unmatched = from_sender and not matched
        if from_sender:
            for destination in (*(self.unmatched if unmatched else ()), *self.always):
                sends.setdefault(destination, None)
        return Decision(tuple(matched), tuple(Send(*pair) for pair in sends.items()), unmatched, tuple(used))
