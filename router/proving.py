"""A configuration's own tests, run: who would hear of the events, against who must. Nothing is sent."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from router.config.model import Config, ConfigTest
from router.foretelling import Foretold, foretell
from router.playing import play


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one test."""

    test: ConfigTest
    #: Lines for a person, ``-`` expected and ``+`` got; none when it passed.
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.differences


def run(config: Config) -> list[Verdict]:
    """Return the verdict on each test of *config*, in the order of the file. Disabled destinations count as enabled."""
    return [_verdict(config, test) for test in config.tests]


def _verdict(config: Config, test: ConfigTest) -> Verdict:
    heard = [
        foretold
        for decided in play(config.decider, test.events, stale_after=config.stale_after)
        for foretold in foretell(config, decided)
    ]
    return Verdict(test, (*_deliveries(config, test, heard), *_texts(test, heard)))


def _deliveries(config: Config, test: ConfigTest, heard: list[Foretold]) -> Iterator[str]:
    got = Counter(one.destination for one in heard)
    for name in config.destinations:
        wanted = test.expect.get(name, 0)
        if wanted == got[name] or (wanted is None and got[name]):
            continue
        if wanted != 0:
            yield f"- {name}" if wanted is None else f"- {name} ×{wanted}"
        askers: dict[str, list[str]] = {}
        for one in heard:
            if one.destination == name:
                askers.setdefault(one.asker, []).append(one.event_type)
        for asker, types in askers.items():
            times = f" ×{len(types)}" if wanted or len(types) > 1 else ""
            yield f"+ {name}{times}  {asker}, on {', '.join(dict.fromkeys(types))}"


def _texts(test: ConfigTest, heard: list[Foretold]) -> Iterator[str]:
    for destination, settings in test.rendered.items():
        for setting, wanted in settings.items():
            said = [
                (f"{destination}, {name}, on {one.event_type}:", text)
                for one in heard
                if one.destination == destination
                for name, text in one.said.items()
                if setting in (None, name)
            ]
            if any(text.strip() == wanted.strip() for _, text in said):
                continue
            if said:
                # The nearest: of several deliveries one was meant.
                title, nearest = max(said, key=lambda one: difflib.SequenceMatcher(None, one[1], wanted).ratio())
                yield title
                yield from _lines(wanted, nearest)
            else:
                yield f"{destination}{f', {setting}' if setting else ''}: there is no text"
                yield from (f"- {line}" for line in wanted.strip().splitlines())


def _lines(wanted: str, got: str) -> Iterator[str]:
    compared = difflib.ndiff(wanted.strip().splitlines(), got.strip().splitlines())
    return (line.rstrip() for line in compared if not line.startswith("?"))
