"""``send: [{to: NAME, text: …}]``: a rule's own texts for a destination, and which rules would say different things."""

from __future__ import annotations

import functools
import typing
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from router.config.located import Block, Text
from router.config.model import Destination
from router.config.problems import Problems, guess
from router.config.wording import Wording
from router.event import OWN_TYPES
from router.matching import Condition, Not, OneOf, Test, conjunction, disjoint
from router.plugin import Settings, Template
from router.rendering import templates
from router.routes import Rule
from router.templates import MalformedTemplate

_OF_SENDERS = Condition((Test("event_type", Not(OneOf(OWN_TYPES))),))
#: Comparisons of two rules in one configuration. Beyond them doubts go unsaid; no configuration may load slowly for it.
_MOST_COMPARISONS = 300_000


class OverrideReader:
    """Reads what rules say in place of their destinations."""

    def __init__(self, destinations: Mapping[str, Destination], wording: Wording, problems: Problems) -> None:
        self._destinations = destinations
        self._wording = wording
        self._problems = problems

    def settings(self, entry: Block, to: Text, rule: str) -> Settings | None:
        """Return the settings of destination *to* with the texts of *entry* in them, or None after a mistake.

        Without a word, too, where the destination itself could not be read.
        """
        destination = self._destinations.get(str(to))
        if destination is None:
            return None
        fields = _template_settings(type(destination.settings))
        own = {name: entry[name] for name in entry if name != "to"}
        if not own:
            hint = f"write only its name: send: [{to}]"
            self._problems.error(entry, f'nothing is said in place of what destination "{to}" says', hint)
            return None
        changed = {}
        for name, value in own.items():
            if name not in fields:
                self._problems.error(entry.key(name), *self._refusal(name, destination, fields))
            elif isinstance(value, Text) and value.unset:
                continue
            elif not isinstance(value, Text) or value.null:
                self._problems.error(entry.key(name), f'"{name}" needs a text', "write one, or remove the key")
            elif (template := self._template(value, str(name), destination, rule)) is not None:
                changed[fields[name][0]] = template
                self._wording.add(str(to), rule, str(name), template, value)
        return destination.settings.model_copy(update=changed) if len(changed) == len(own) else None

    def _refusal(
        self, name: str, destination: Destination, fields: Mapping[str, tuple[str, FieldInfo]]
    ) -> tuple[str, str]:
        if not fields:
            kind = destination.plugin.type
            return f'a destination of type "{kind}" has no text that a rule could replace', "write only its name"
        known = {field.alias or field_name for field_name, field in type(destination.settings).model_fields.items()}
        if name in known:
            return f'a rule cannot replace "{name}" of a destination', f"it can replace {', '.join(sorted(fields))}"
        return f'destination "{destination.name}" has no text "{name}"', guess(name, fields)

    def _template(self, value: Text, name: str, destination: Destination, rule: str) -> Template | None:
        where = f'{name} in rule "{rule}"'
        try:
            template: Template = _adapter(type(destination.settings), name).validate_python(str(value))
        except ValidationError as ex:
            error = ex.errors()[0]
            cause = (error.get("ctx") or {}).get("error")
            if isinstance(cause, MalformedTemplate):
                self._wording.malformed(value, cause, where)
            else:
                self._problems.error(value, f"{where}: {cause or error['msg']}")
        # The plugin's author must hear of it, and the operator too.
        except Exception as ex:  # noqa: BLE001 - a plugin's own check may fail in any way
            text = f'plugin "{destination.plugin.type}" fails while it checks {where}'
            self._problems.error(value, text, f"this is a fault of the plugin ({type(ex).__name__}); tell its author")
        else:
            return template
        return None


def warn_of_different_texts(rules: Sequence[Rule], places: Mapping[tuple[str, str], Text], problems: Problems) -> None:
    """Note each rule whose text for a destination loses to an earlier rule's, when one event can match both.

    *places* has where (rule, destination) is written.
    """
    by_destination: dict[str, list[Rule]] = defaultdict(list)
    own_text = {name for rule in rules for name in rule.overrides}
    for rule in rules:
        for name in rule.send if rule.enabled and own_text else ():
            if name in own_text:
                by_destination[name].append(rule)
    budget = iter(range(_MOST_COMPARISONS))
    exact = {rule.name: _exact(rule) for some in by_destination.values() for rule in some}
    for name, some in by_destination.items():
        index = _Index(name, exact)
        for rule in some:
            earlier = index.first_conflict(rule, budget)
            if earlier is not None:
                text = (
                    f'rule "{rule.name}" says something else to "{name}" than rule "{earlier}" above, and one event '
                    "can match both: then the first one's text is sent"
                )
                hint = "let their conditions exclude each other, or write stop: true in the first"
                problems.warning(places[rule.name, name], text, hint)
            index.add(rule)


class _Index:
    """The rules so far that send to one destination, found by the values their conditions name."""

    def __init__(self, destination: str, exact: Mapping[str, Mapping[str, frozenset[str]]]) -> None:
        self._destination = destination
        self._exact = exact
        self._all: list[Rule] = []
        self._with: dict[str, dict[str, list[Rule]]] = {}
        self._without: dict[str, list[Rule]] = {}
        self._says: dict[str, tuple[str, ...]] = {}

    def add(self, rule: Rule) -> None:
        """Take in *rule*; one that says ``stop`` leaves nothing for the rules below it."""
        self._says[rule.name] = self._texts(rule)
        if rule.stop:
            return
        values = self._exact[rule.name]
        for key in values.keys() - self._with.keys():
            self._with[key], self._without[key] = {}, list(self._all)
        for key, has in self._with.items():
            if key not in values:
                self._without[key].append(rule)
            for value in values.get(key, ()):
                has.setdefault(value, []).append(rule)
        self._all.append(rule)

    def first_conflict(self, rule: Rule, budget: Iterator[int]) -> str | None:
        """Return the first rule that can match with *rule* and says something else."""
        says, values = self._texts(rule), self._exact[rule.name]
        for earlier in self._candidates(values):
            if next(budget, None) is None:
                return None
            if self._says[earlier.name] == says or _exclude(values, self._exact[earlier.name]):
                continue
            if not disjoint(rule.condition, earlier.condition):
                return earlier.name
        return None

    def _candidates(self, values: Mapping[str, frozenset[str]]) -> list[Rule]:
        """Return the rules that share a value with *values*, or have none, by the key that leaves the fewest."""
        fewest = self._all
        for key, wanted in values.items():
            if key in self._with:
                parts = [self._without[key], *(self._with[key].get(value, []) for value in wanted)]
                if sum(map(len, parts)) < len(fewest):
                    fewest = [rule for part in parts for rule in part]
        return fewest

    def _texts(self, rule: Rule) -> tuple[str, ...]:
        own = rule.overrides.get(self._destination)
        return tuple(f"{path}={template.source}" for path, template in templates(own)) if own else ()


def _exclude(one: Mapping[str, frozenset[str]], other: Mapping[str, frozenset[str]]) -> bool:
    return any(key in other and values.isdisjoint(other[key]) for key, values in one.items())


def _exact(rule: Rule) -> dict[str, frozenset[str]]:
    """Return the keys that must have one of a few values for *rule* to match."""
    found: dict[str, frozenset[str]] = {}
    for test in conjunction(rule.condition.parts):
        if isinstance(test.check, OneOf) and not test.check.patterns and not test.path:
            found[test.key] = found.get(test.key, test.check.exact) & test.check.exact
    # Whose event it is, the sender's or ours, excludes as well.
    types = found.get("event_type")
    if not rule.sees_own_events or (types is not None and types.isdisjoint(OWN_TYPES)):
        found["own"] = frozenset({"false"})
    elif disjoint(rule.condition, _OF_SENDERS):
        found["own"] = frozenset({"true"})
    return found


@functools.lru_cache(maxsize=256)
def _template_settings(settings: type[Settings]) -> dict[str, tuple[str, FieldInfo]]:
    """Return key in config.yaml → name and field of every setting that is a template."""
    return {
        field.alias or name: (name, field)
        for name, field in settings.model_fields.items()
        if Template in (field.annotation, *typing.get_args(field.annotation))
        and typing.get_origin(field.annotation) is not dict
    }


@functools.lru_cache(maxsize=256)
def _adapter(settings: type[Settings], key: str) -> TypeAdapter[Any]:
    """Return what checks one setting as its plugin declares it."""
    _, field = _template_settings(settings)[key]
    annotation: Any = field.annotation
    return TypeAdapter(Annotated[(annotation, *field.metadata)] if field.metadata else annotation)
