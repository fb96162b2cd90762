"""What rules cost: to find the ones that match an event, and to load them."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from statistics import median

from router import samples
from router.config import Config, load
from router.event import read
from router.registry import discover
from router.routes import Rule
from tests.bench.report import Report, spread, tell

COUNTS = (10, 1_000, 10_000)
#: Events asked of the index, and of every rule one by one, in each of the rounds.
EVENTS, TRIED, ROUNDS = 2_000, 40, 3
MEDIAN_AIM, TIMES_AIM, LOAD_AIM = 50.0, 20.0, 2.0

_TYPES = ("ringing", "answered", "completed", "busy", "cancelled", "rejected", "call_setup", "call_ended")
#: How many rules share a tag: one for each event type and direction.
_SHARED = 2 * len(_TYPES)


def configuration(count: int) -> str:
    """Rules as teams write them: event type, direction and tag; one in ten with a wildcard, one in ten with a list."""
    rules = []
    for n in range(count):
        tag = f'"team-{n // _SHARED}-*"' if n % 10 == 0 else f"team-{n // _SHARED}"
        kinds = f"[{_TYPES[n % 8]}, {_TYPES[(n + 3) % 8]}]" if n % 10 == 5 else _TYPES[n % 8]
        rules.append(
            f"  - name: rule-{n}\n    when:\n      event_type: {kinds}\n"
            f"      direction: {'inbound' if n // 8 % 2 else 'outbound'}\n      tag: {tag}\n    send: [out-{n % 20}]\n"
        )
    destinations = "".join(f'  out-{n}: {{type: http, url: "https://crm.example/{n}"}}\n' for n in range(20))
    return f"sources: {{wavix: }}\ndestinations:\n{destinations}rules:\n{''.join(rules)}unmatched: drop\nalerts: none\n"


def measure(folder: Path) -> Report:
    """Index and plain reading side by side, over the same events."""
    registry = discover()
    rows = []
    for count in COUNTS:
        path = folder / f"{count}.yaml"
        path.write_text(configuration(count))
        loads, indexed, plain, whole = [], [], [], []
        config: Config | None = None
        for number in range(ROUNDS):
            began = time.perf_counter()
            config = load(path, {}, registry=registry)
            loads.append(time.perf_counter() - began)
            subjects = [_subject(config, count, seed=number * EVENTS + n) for n in range(EVENTS)]
            indexed.append(median(_timed(config.routes.decide, one) for one in subjects) * 1e6)
            rules = config.routes.rules
            plain.append(median(_timed(lambda one, rules=rules: _try_all(rules, one), one) for one in subjects[:TRIED]))
            whole.append(_whole_decision(config, count) * 1e6)
        times = [tried * 1e6 / found for tried, found in zip(plain, indexed, strict=True)]
        tell(f"{count} rules: {median(indexed):.1f} µs, {median(times):.0f} × faster, load {median(loads):.2f} s")
        rows.append(
            (f"{count:,} rules", spread(indexed, 1), spread([one * 1e6 for one in plain], 1), spread(times, 1),
             spread(whole, 0), spread(loads, 2))
        )  # fmt: skip
    rows.append(
        (f"aim, {COUNTS[-1]:,} rules", f"under {MEDIAN_AIM:.0f}", "", f"{TIMES_AIM:.0f} or more", "",
         f"under {LOAD_AIM:.0f}")
    )  # fmt: skip
    how = (
        "Rules on event type, direction and tag, one in ten with a wildcard and one in ten with a list of types; "
        f"events of the same mix. For each of {EVENTS:,} events: which rules match, found through the index; for "
        f"{TRIED} of them also by trying every rule, in the same process. Medians over the events, of {ROUNDS} rounds "
        "(least–greatest). The whole decision adds what every event needs besides: the event read from its JSON, the "
        "call moved forward, facts, phone numbers."
    )
    header = ("", "index, µs an event", "every rule, µs", "times faster", "whole decision, µs", "load, s")
    return Report("Routing", how, header, rows)


def _subject(config: Config, count: int, *, seed: int) -> dict[str, object]:
    chosen = random.Random(seed)
    event = read(_body(chosen, count), "wavix", 0.0)
    return dict(config.decider.decide(None, event).subject)


def _body(chosen: random.Random, count: int) -> bytes:
    [first, *_] = samples.play("missed", started_at=1767614400.0)
    team = chosen.randrange(max(1, count // _SHARED))
    changed = {
        "event_type": chosen.choice(_TYPES[:-1]),
        "direction": chosen.choice(("inbound", "outbound")),
        "tag": f"team-{team}{chosen.choice(('', '', '-uk'))}",
    }
    return json.dumps({**first.event, **changed}).encode()


def _whole_decision(config: Config, count: int) -> float:
    bodies = [_body(random.Random(n), count) for n in range(EVENTS // 4)]
    return median(_timed(lambda body: config.decider.decide(None, read(body, "wavix", 0.0)), body) for body in bodies)


def _try_all(rules: list[Rule], subject: dict[str, object]) -> list[str]:
    return [rule.name for rule in rules if rule.condition.matches(subject)]


def _timed(work: object, given: object) -> float:
    began = time.perf_counter()
    work(given)  # type: ignore[operator]  # a function of one argument
    return time.perf_counter() - began
