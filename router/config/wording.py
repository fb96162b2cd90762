"""Every template that an operator wrote, proved before it is used: its names, and then itself on sample events."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from router.config.located import Block, Items, Text
from router.config.pointing import place_in
from router.config.problems import Problems
from router.config.reach import can_match
from router.config.trials import Trial
from router.config.vocabulary import Mistake, Vocabulary, mistakes
from router.places import Url
from router.routes import Routes, Rule
from router.templates import CannotFillIn, MalformedTemplate, Template


@dataclass(frozen=True, slots=True)
class _Written:
    """One template where it stands in the file."""

    destination: str
    #: The rule with a text of its own; None: it is the destination's.
    rule: str | None
    setting: str
    #: The template, or the address that has one.
    value: Template | Url
    text: Text

    @property
    def template(self) -> Template:
        whole = self.value.template if isinstance(self.value, Url) else self.value
        return whole or Template("")

    @property
    def where(self) -> str:
        where = f'destination "{self.destination}"' if self.rule is None else f'rule "{self.rule}"'
        return f'the template of "{self.setting}" in {where}'


class Wording:
    """Gathers templates while destinations and rules are read; ``prove`` then says what is wrong with them."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._written: list[_Written] = []

    def add(self, destination: str, rule: str | None, setting: str, value: Any, written: Any) -> None:
        """Remember every template in a setting's *value*, where *written* is what the file has there."""
        for path, one, text in _templates(setting, value, written):
            self._written.append(_Written(destination, rule, path, one, text))

    def malformed(self, text: Text, error: MalformedTemplate, where: str) -> None:
        """Report a text that is no template; *where* names its setting."""
        if error.offset is not None:
            self._report(text, error.offset, error.width, f"{where}: {error.text}", error.hint)
        else:
            self._problems.error(text, f"{where}: {error.text}", error.hint)

    def prove(self, routes: Routes, trials: Callable[[], Iterable[Trial]]) -> None:
        """Report every name that does not exist, and every template that some event could not be put into.

        *trials* is asked for events only where there are templates.
        """
        if not self._written:
            return
        events = tuple(trials())
        reached = _Reached(routes, events, self._written)
        failures: dict[tuple[str, int], CannotFillIn | None] = {}
        known = _vocabulary(events)
        wrong: dict[str, list[Mistake]] = {}
        for written in self._written:
            source = written.template.source
            if source not in wrong:
                wrong[source] = mistakes(written.template, known)
            for mistake in wrong[source]:
                text = f"{written.where} uses {mistake.text}"
                self._report(written.text, mistake.offset, mistake.width, text, mistake.hint)
            if not wrong[source]:
                self._try(written, events, reached.by(written), failures)

    def _try(
        self,
        written: _Written,
        events: tuple[Trial, ...],
        reached: Iterable[int],
        failures: dict[tuple[str, int], CannotFillIn | None],
    ) -> None:
        source = written.template.source
        for number in reached:
            if (source, number) not in failures:
                failures[source, number] = _failure(written.value, events[number])
            failure = failures[source, number]
            if failure is not None:
                # What a variable holds may be a secret, and Jinja's own sentences repeat values.
                shown = failure.name is not None or written.text.written == source
                why = failure.why if shown else "how it fails is not shown, because a variable is filled in"
                text = f"{written.where} cannot be filled in {events[number].in_words(source)}: {why}"
                at, width = _blamed(source, failure)
                self._report(written.text, at, width, text, _hint(written.value, source, failure))
                return

    def _report(self, text: Text, offset: int, width: int, sentence: str, hint: str | None) -> None:
        place = place_in(text, offset, width, self._problems)
        if place is not None:
            self._problems.error(place, sentence, hint)
        else:
            # What a variable holds may be a secret, whatever is wrong with it.
            self._problems.error(text, "a variable makes this no template that could be filled in", "mend its value")


class _Reached:
    """Which events each template could meet, by the rules that send to its destination."""

    def __init__(self, routes: Routes, events: tuple[Trial, ...], written: Iterable[_Written]) -> None:
        self._events = events
        self._every = frozenset(number for number, event in enumerate(events) if not event.own)
        self._told_of_all = {*routes.always, *routes.unmatched}
        self._by_matching: dict[Callable[[Any], bool], frozenset[int]] = {}
        self._of_rule: dict[str, frozenset[int]] = {}
        self._senders: dict[str, list[str]] = defaultdict(list)
        told = {one.destination for one in written}
        for rule in routes.rules:
            to = [name for name in rule.send if name in told]
            if to and rule.enabled:
                self._of_rule[rule.name] = self._by(rule)
            for name in to if rule.enabled else ():
                self._senders[name].append(rule.name)
        self._own_text = {(one.destination, one.setting, one.rule) for one in written}

    def by(self, written: _Written) -> list[int]:
        """Return the numbers of the events that *written* could meet."""
        if written.rule is not None:
            return sorted(self._of_rule.get(written.rule, ()))
        met = set(self._every if written.destination in self._told_of_all else ())
        for rule in self._senders[written.destination]:
            if (written.destination, written.setting, rule) not in self._own_text:
                met |= self._of_rule[rule]
        return sorted(met)

    def _by(self, rule: Rule) -> frozenset[int]:
        matching = can_match(rule)
        if matching not in self._by_matching:
            self._by_matching[matching] = frozenset(
                number for number, event in enumerate(self._events) if matching(event.subject)
            )
        met = self._by_matching[matching]
        return met if rule.sees_own_events else met & self._every


def _vocabulary(events: Iterable[Trial]) -> Vocabulary:
    known: dict[str, frozenset[str]] = defaultdict(frozenset)
    for event in events:
        for name, has in event.names.items():
            known[name] |= has.keys()
    return dict(known)


def _failure(value: Template | Url, event: Trial) -> CannotFillIn | None:
    try:
        if isinstance(value, Url):
            value.filled(event.names)
        else:
            value.render(event.names)
    except CannotFillIn as ex:
        return ex
    return None


def _blamed(source: str, failure: CannotFillIn) -> tuple[int, int]:
    """Return where in *source* the fault is, and how many characters it has: a name, else its line's first ``{{``."""
    lines = source.split("\n")
    line = failure.line if failure.line is not None and failure.line <= len(lines) else 1
    start = sum(len(one) + 1 for one in lines[: line - 1])
    if failure.name is not None:
        for begin in (start, 0):
            found = source.find(f".{failure.name}", begin)
            if found >= 0:
                return found + 1, len(failure.name)
    found = next((at for sign in ("{{", "{%") if (at := source.find(sign, start)) >= 0), 0)
    return found, max(len(source[found:].partition("\n")[0].rstrip()), 1)


def _hint(value: Template | Url, source: str, failure: CannotFillIn) -> str:
    asked = re.search(rf"([\w.]+)\.{re.escape(failure.name or '')}\b", source)
    if failure.inside == "null" and asked:
        return f"write \"({asked[1]} or {{}}).{failure.name} | default('')\""
    if failure.inside == "facts":
        return f'only call_ended and call_corrected have it; write "facts.{failure.name} | default(none)"'
    if isinstance(value, Url):
        return 'provide for such an event with "| default(…, true)"'
    return 'provide for such an event with "{% if … %}" or "| default(…, true)"'


def _templates(path: str, setting: Any, value: Any) -> Iterator[tuple[str, Template | Url, Text]]:
    if isinstance(value, Text):
        if isinstance(setting, Template) or (isinstance(setting, Url) and setting.template):
            yield path, setting, value
    elif isinstance(setting, BaseModel) and isinstance(value, Block):
        for name in value:
            yield from _templates(f"{path}.{name}", getattr(setting, str(name), None), value[name])
    elif isinstance(setting, Mapping) and isinstance(value, Block):
        for name in value:
            yield from _templates(f"{path}.{name}", setting.get(str(name)), value[name])
    elif isinstance(setting, (list, tuple)) and isinstance(value, Items):
        for number, (one, inner) in enumerate(zip(setting, value, strict=False), start=1):
            yield from _templates(f"{path}[{number}]", one, inner)
