"""Say what the rules make of one event, and send nothing."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from router.cli import options, screen
from router.errors import InvalidEvent

if TYPE_CHECKING:
    from router.config.model import Config, Source
    from router.deciding import Decided
    from router.matching import Explained, Subject
    from router.routes import Decision, Rule, Send


@dataclass(frozen=True, slots=True)
class _Judged:
    """One rule, what became of it, and its conditions one by one."""

    name: str
    #: matched, not matched, or why it was not asked.
    verdict: str
    conditions: list[Explained]


@dataclass(frozen=True, slots=True)
class _Explanation:
    """One event: the sender's, or the ``call_ended`` that follows from it."""

    event_type: str
    rules: list[_Judged]
    decision: Decision
    #: What would be sent: destination, and who asks for it in words.
    sends: list[tuple[str, str]]
    #: What would be sent, were the destination not disabled: destination and why it is.
    disabled: list[tuple[str, str]]


@click.command(
    "explain",
    epilog=options.exits(
        done="explained, and as expected",
        no="the event would be refused, or something else than --expect would be sent",
        store=False,
    ),
)
@click.argument("event", type=click.File("rb"))
@click.option(
    "--expect",
    metavar="NAMES",
    help="Fail unless exactly these destinations (a,b,c) would hear of it; '' means nobody.",
)
@click.option("--source", metavar="NAME", help="Judge it as this source's; the only one configured, unless given.")
@options.config_option
@options.json_option("one JSON document")
def command(event: BinaryIO, expect: str | None, source: str | None, config_path: Path, as_json: bool) -> int:
    """Say which rules match the event in EVENT (a JSON file; - is stdin) and who would hear of it. Nothing is sent.

    Every rule is shown with its conditions: what it wants, and what the event has. Only one event is seen, so it is
    taken to be the first of its call. Where it ends the call, callrouter's own call_ended that would follow is
    explained, too, and its destinations count for --expect: in one file, a missed call is an event of type
    "completed" whose call_answered is null.
    """
    config = options.load_to_look(config_path)
    try:
        explanations = _explain(config, options.source(config, source), event.read())
    except InvalidEvent as ex:
        return _refused(ex, as_json=as_json)
    sent = sorted({name for explanation in explanations for name, _ in explanation.sends})
    if as_json:
        screen.emit({"refused": [], "sends": sent, "events": [_document(one) for one in explanations]})
    else:
        screen.say("Taken to be the first event of its call.")
        for explanation in explanations:
            _show(explanation)
    if expect is None:
        return 0
    wanted = sorted({name.strip() for name in expect.split(",")} - {""})
    if wanted == sent:
        return 0
    screen.talk(f"callrouter: expected {_names(wanted)}, but {_names(sent)} would hear of it.")
    return 3


def _refused(error: InvalidEvent, *, as_json: bool) -> int:
    if as_json:
        faults = [{"path": fault.path, "text": fault.text} for fault in error.faults]
        screen.emit({"refused": faults, "sends": [], "events": []})
        return 3
    screen.say("This event would be refused, and kept in the quarantine (callrouter events --rejected):")
    for fault in error.faults:
        screen.say("  " + screen.safe(f"{fault.path}: {fault.text}" if fault.path else fault.text))
    return 3


def _explain(config: Config, source: Source, body: bytes) -> list[_Explanation]:
    from router.event import check, read

    now = time.time()
    check(body, validation=source.validation, accept_types=source.accept_types)
    event = read(body, source.name, now)
    decided = config.decider.decide(None, event)
    explanations = [_judge(config, decided)]
    if decided.step.terminal:
        explanations.append(_judge(config, config.decider.decide_end(decided.following, now)))
    return explanations


def _judge(config: Config, decided: Decided) -> _Explanation:
    decision = decided.decision
    owed = [(send.destination, _asker(send, decision, config)) for send in decision.sends]
    reasons = {name: config.destinations[name].disabled for name, _ in owed}
    return _Explanation(
        event_type=decided.event.event_type,
        rules=_rules(config, decided.subject, decision, own=decided.step.own, fired=decided.call.fired),
        decision=decision,
        sends=[(name, asker) for name, asker in owed if reasons[name] is None],
        disabled=[(name, reason) for name, reason in reasons.items() if reason is not None],
    )


def _asker(send: Send, decision: Decision, config: Config) -> str:
    if send.rule is not None:
        return f'by rule "{send.rule}"'
    return "by unmatched:" if decision.unmatched and send.destination in config.routes.unmatched else "by always:"


def _rules(config: Config, seen: Subject, decision: Decision, *, own: bool, fired: frozenset[str]) -> list[_Judged]:
    judged: list[_Judged] = []
    stopped: str | None = None
    for rule in config.routes.rules:
        verdict = _verdict(rule, decision, stopped, own=own, fired=fired)
        judged.append(_Judged(rule.name, verdict, rule.condition.explain(seen)))
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


def _show(explanation: _Explanation) -> None:
    screen.say()
    screen.say(f"Event {screen.safe(explanation.event_type)}")
    for rule in explanation.rules:
        style = "green" if rule.verdict == "matches" else "yellow" if rule.verdict.startswith("matches") else ""
        screen.say(f'  rule "{rule.name}" ' + (screen.paint(rule.verdict, style) if style else rule.verdict))
        if rule.verdict.startswith("not asked"):
            continue
        for test in rule.conditions:
            has = "" if test.key in {"all", "any", "not"} else f"   it has: {_value(test.actual)}"
            line = f"{test.key}: {test.wanted}{has}"
            screen.say(f"    {'  ' * test.depth}{'yes' if test.held else 'no ':<3}  {screen.safe(line)}")
    if explanation.decision.unmatched:
        screen.say("  no rule matches: what unmatched: says applies")
    for name, asker in explanation.sends:
        screen.say(f"  → {name}, {asker}")
    for name, reason in explanation.disabled:
        screen.say(f"  → not {name}: it is disabled ({reason})")
    if not explanation.sends and not explanation.disabled:
        screen.say("  → nobody hears of it")


def _value(actual: Any) -> str:
    return "nothing" if actual is None else str(actual).lower() if isinstance(actual, bool) else str(actual)


def _names(names: list[str]) -> str:
    return ", ".join(names) or "nobody"


def _document(explanation: _Explanation) -> dict[str, Any]:
    return {
        "type": explanation.event_type,
        "rules": [
            {
                "name": rule.name,
                "verdict": rule.verdict,
                "matched": rule.name in explanation.decision.rules,
                "conditions": [asdict(test) for test in rule.conditions],
            }
            for rule in explanation.rules
        ],
        "unmatched": explanation.decision.unmatched,
        "sends": [{"destination": name, "asked": asker} for name, asker in explanation.sends],
        "disabled": [{"destination": name, "reason": reason} for name, reason in explanation.disabled],
    }
