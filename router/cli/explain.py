"""Say what the rules make of an event, or of a whole call, and send nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from router.cli import bodies, options, screen
from router.errors import Fault, InvalidEvent

if TYPE_CHECKING:
    from router.config.model import Config, Source
    from router.deciding import Decided
    from router.event import CallEvent
    from router.foretelling import Foretold
    from router.matching import Explained, Subject
    from router.routes import Decision, Rule


@dataclass(frozen=True, slots=True)
class _Judged:
    """One rule, what became of it, and its conditions one by one."""

    name: str
    #: matched, not matched, or why it was not asked.
    verdict: str
    matched: bool
    conditions: list[Explained]


@dataclass(frozen=True, slots=True)
class _Explanation:
    """One event: the sender's, or one of ours that follows from it."""

    event_type: str
    #: On the wall clock of the configured zone.
    time: str
    rules: list[_Judged]
    unmatched: bool
    foretold: list[Foretold]

    @property
    def sends(self) -> list[Foretold]:
        """What would be sent."""
        return [one for one in self.foretold if one.disabled is None]


@click.command(
    "explain",
    epilog=options.exits(
        done="explained, and as expected",
        no="an event would be refused, or something else than --expect would be sent",
        store=False,
    ),
)
@click.argument("event", type=click.File("rb"))
@click.option("--at", metavar="TIME", help="Move the times in it so that the call starts then: 2026-01-04T10:00.")
@click.option(
    "--expect",
    metavar="NAMES",
    help="Fail unless exactly these destinations (a,b,c) would hear of it; '' means nobody.",
)
@click.option("--source", metavar="NAME", help="Judge it as this source's; the only one configured, unless given.")
@options.config_option
@options.json_option("one JSON document")
def command(
    *, event: BinaryIO, at: str | None, expect: str | None, source: str | None, config_path: Path, as_json: bool
) -> int:
    """Say which rules match the event in EVENT (a JSON file; - is stdin) and who would hear of it. Nothing is sent.

    Every rule is shown with its conditions: what it wants, and what the event has. Below each destination stand its
    texts, filled in, before the destination's own escaping.

    EVENT may also be a list of events, or have one a line: they are taken in this order, each received when it
    happened. What is in EVENT is taken to be all that is heard of its call, and of its customer on that day: for the
    first call in it, calls_today is 1. Where that ends the call, callrouter's own call_ended that would follow is
    explained, too, and its destinations count for --expect: in one event, a missed call is one of type "completed"
    whose call_answered is null.

    A TIME without a zone is on the clock of timezone.
    """
    config = options.load_to_look(config_path)
    given = bodies.split(event.read())
    if refused := _faults(given, chosen := options.source(config, source)):
        return _refused(refused, of=len(given), as_json=as_json)
    explanations = _explain(config, chosen.name, given if at is None else bodies.moved(given, _moment(at, config)))
    sent = sorted({one.destination for explanation in explanations for one in explanation.sends})
    if as_json:
        screen.emit({"refused": [], "sends": sent, "events": [_document(one) for one in explanations]})
    else:
        several = f"all {len(given)} events of their calls, in this order"
        screen.say(f"Taken to be {several if len(given) > 1 else 'the first event of its call'}.")
        for explanation in explanations:
            _show(explanation, config)
    if expect is None:
        return 0
    wanted = sorted({name.strip() for name in expect.split(",")} - {""})
    if wanted == sent:
        return 0
    screen.talk(f"callrouter: expected {_names(wanted)}, but {_names(sent)} would hear of it.")
    return 3


def _moment(at: str, config: Config) -> float:
    from router.units import moment

    try:
        return moment(at, config.timezone)
    except ValueError as ex:
        raise click.UsageError(f"--at: {ex}.") from None


def _faults(given: Sequence[bytes], source: Source) -> list[tuple[int, Fault]]:
    """Return what the source may not send, with the number of the event, from 1."""
    from router.event import check

    faults = []
    for number, body in enumerate(given, start=1):
        try:
            check(body, validation=source.validation, accept_types=source.accept_types)
        except InvalidEvent as ex:
            faults += [(number, fault) for fault in ex.faults]
    return faults


def _refused(faults: Sequence[tuple[int, Fault]], *, of: int, as_json: bool) -> int:
    if as_json:
        refused = [{"event": number, "path": fault.path, "text": fault.text} for number, fault in faults]
        screen.emit({"refused": refused, "sends": [], "events": []})
        return 3
    for wrong in dict.fromkeys(number for number, _ in faults):
        which = f"Event {wrong}" if of > 1 else "This event"
        screen.say(f"{which} would be refused, and kept in the quarantine (callrouter events --rejected):")
        for number, fault in faults:
            if number == wrong:
                screen.say("  " + screen.safe(f"{fault.path}: {fault.text}" if fault.path else fault.text))
    return 3


def _explain(config: Config, source: str, given: Sequence[bytes]) -> list[_Explanation]:
    from router.event import read
    from router.playing import play

    events: list[CallEvent] = []
    for body in given:
        event = read(body, source, 0.0)
        event.received_at = max(event.event_time, events[-1].received_at if events else 0.0)
        events.append(event)
    return [_judge(config, decided) for decided in play(config.decider, events, stale_after=config.stale_after)]


def _judge(config: Config, decided: Decided) -> _Explanation:
    from router.foretelling import foretell

    decision = decided.decision
    return _Explanation(
        event_type=decided.event.event_type,
        time=f"{decided.facts['weekday']} {decided.facts['local_time']}",
        rules=_rules(config, decided.subject, decision, own=decided.step.own, fired=decided.call.fired),
        unmatched=decision.unmatched,
        foretold=foretell(config, decided),
    )


def _rules(config: Config, seen: Subject, decision: Decision, *, own: bool, fired: frozenset[str]) -> list[_Judged]:
    judged: list[_Judged] = []
    stopped: str | None = None
    for rule in config.routes.rules:
        verdict = _verdict(rule, decision, stopped, own=own, fired=fired)
        matched = rule.name in decision.rules
        judged.append(_Judged(rule.name, verdict, matched, rule.condition.explain(seen)))
        if rule.stop and rule.name in decision.rules:
            stopped = rule.name
    return judged


def _verdict(rule: Rule, decision: Decision, stopped: str | None, *, own: bool, fired: frozenset[str]) -> str:
    if stopped:
        return f'not asked: "{stopped}" said stop'
    if own and not rule.sees_own_events:
        return "not asked: it speaks of the sender's events"
    if not rule.enabled:
        return "not asked: it says enabled: false"
    if rule.name not in decision.rules:
        return "does not match"
    return "matches, but it fires once a call and did" if rule.once and rule.name in fired else "matches"


def _show(explanation: _Explanation, config: Config) -> None:
    from router.matching import OWN_FACTS

    screen.say()
    screen.say(f"Event {screen.safe(explanation.event_type)}, {explanation.time}")
    for rule in explanation.rules:
        style = "green" if rule.verdict == "matches" else "yellow" if rule.verdict.startswith("matches") else ""
        screen.say(f'  rule "{rule.name}" ' + (screen.paint(rule.verdict, style) if style else rule.verdict))
        if rule.verdict.startswith("not asked"):
            continue
        for test in rule.conditions:
            has = "" if test.key in {"all", "any", "not"} else f"   it has: {_value(test.actual)}"
            if test.actual is None and test.key in OWN_FACTS:
                has += ", because only call_ended and call_corrected have it"
            line = f"{test.key}: {test.wanted}{has}"
            screen.say(f"    {'  ' * test.depth}{'yes' if test.held else 'no ':<3}  {screen.safe(line)}")
    if explanation.unmatched:
        screen.say(f"  no rule matches; unmatched: {', '.join(config.routes.unmatched) or 'drop'}")
    for one in explanation.foretold:
        if one.disabled is not None:
            screen.say(f"  → not {one.destination}: it is disabled ({one.disabled})")
            continue
        screen.say(f"  → {one.destination}, {one.asker}")
        for setting, text in one.said.items():
            first, *rest = screen.safe_lines(text.strip()).split("\n")
            screen.say(f"      {setting}: {first}".rstrip())
            for line in rest:
                screen.say(f"      {' ' * len(setting)}  {line}".rstrip())
    if not explanation.foretold:
        screen.say("  → nobody hears of it")


def _value(actual: Any) -> str:
    return "nothing" if actual is None else str(actual).lower() if isinstance(actual, bool) else str(actual)


def _names(names: list[str]) -> str:
    return ", ".join(names) or "nobody"


def _document(explanation: _Explanation) -> dict[str, Any]:
    return {
        "type": explanation.event_type,
        "time": explanation.time.partition(" ")[2],
        "rules": [
            {
                "name": rule.name,
                "verdict": rule.verdict,
                "matched": rule.matched,
                "conditions": [asdict(test) for test in rule.conditions],
            }
            for rule in explanation.rules
        ],
        "unmatched": explanation.unmatched,
        "sends": [
            {"destination": one.destination, "asked": one.asker, "rendered": dict(one.said)}
            for one in explanation.sends
        ],
        "disabled": [
            {"destination": one.destination, "reason": one.disabled}
            for one in explanation.foretold
            if one.disabled is not None
        ],
    }
