"""``rules:``, ``always:`` and ``unmatched:``, compiled and held against the destinations there are."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Set
from typing import Any

from router.config import scalars
from router.config.fields import Fields, read_scalar
from router.config.located import Block, Items, Text
from router.config.model import Source
from router.config.problems import Problems, guess
from router.matching import Condition, ValueList, compile_when
from router.routes import Routes, Rule

_KEYS = ("name", "when", "send", "stop", "once", "enabled", "description", "owner", "labels")
#: Words that stand one level deeper than where people write them first.
_MISPLACED = {
    "hours": "it is a condition: write when: {hours: business}",
    "text": "it belongs to one destination: write send: [{to: NAME, text: …}]",
}


class RuleReader:
    """Reads all that decides who hears of an event."""

    def __init__(
        self,
        destinations: Mapping[str, Any],
        sources: Mapping[str, Source],
        problems: Problems,
        *,
        region: str | None,
        hours: Set[str],
        lists: Mapping[str, ValueList],
    ) -> None:
        self._destinations = destinations
        self._problems = problems
        self._compile = functools.partial(
            compile_when,
            report=problems.error,
            warn=problems.warning,
            sources=frozenset(sources),
            extra_types=frozenset().union(*(source.accept_types for source in sources.values())),
            region=region,
            hours=hours,
            lists=lists,
        )
        self._used: set[str] = set()
        #: Every rule's name as it stands in the file.
        self.names: dict[str, Text] = {}
        self._complete = False

    def read(self, root: Fields) -> Routes:
        """Return the compiled routes, as far as they could be read."""
        errors_before = self._problems.errors
        rules = []
        value = root.value("rules")
        if value is not None and not isinstance(value, Items):
            self._problems.error(value, '"rules" needs a list', 'every rule begins with "- name:"')
        for entry in value if isinstance(value, Items) else ():
            if isinstance(entry, Block):
                rules.append(self._rule(entry))
            else:
                self._problems.error(entry, "a rule needs a block of keys", f"allowed are {', '.join(_KEYS)}")
        always = self._names(root, "always")
        unmatched = self._unmatched(root)
        self._complete = self._problems.errors == errors_before
        return Routes(tuple(rule for rule in rules if rule), always, unmatched)

    def warn_of_the_unused(self, block: Block) -> None:
        """Note every destination that nothing is ever sent to, unless the rules themselves had mistakes."""
        for name in block if self._complete else ():
            if name not in self._used:
                text = f'nobody sends to destination "{name}"'
                self._problems.warning(block.key(name), text, "name it under send:, always: or unmatched:")

    def _rule(self, block: Block) -> Rule | None:
        name = block.get("name")
        where = f'rule "{name.written}"' if isinstance(name, Text) and name else "this rule"
        fields = Fields(block, self._problems, where=where, known=_KEYS, misplaced=_MISPLACED)
        if fields.require("name", block, "a rule's name stands in logs, tables and explanations"):
            fields.read("name", scalars.word)
        if isinstance(name, Text):
            if name in self.names:
                first = self._problems.spell(self.names[name].place, seen_from=name.place)
                self._problems.error(name, f'two rules are named "{name}", the other one at {first}', "rename one")
            self.names.setdefault(str(name), name)
        at = name if isinstance(name, Text) else block
        send = self._names(fields, "send") if fields.require("send", at, "write send: [destination]") else ()
        condition = None
        if fields.require("when", at, "to send every event, name the destination under always:"):
            when = fields.block("when")
            if when is not None:
                condition = self._compile(when)
        rule = Rule(
            str(name),
            condition or Condition(()),
            send,
            stop=fields.read("stop", scalars.boolean, False),
            once=fields.read("once", scalars.choice("call")) is not None,
            enabled=fields.read("enabled", scalars.boolean, True),
            description=fields.read("description", scalars.text, ""),
            owner=fields.read("owner", scalars.text, ""),
            labels=self._labels(fields),
        )
        return rule if condition is not None else None

    def _labels(self, fields: Fields) -> dict[str, str]:
        block: Mapping[str, Any] = fields.block("labels") or {}
        return {
            str(key): read_scalar(str(key), value, scalars.text, self._problems, "") for key, value in block.items()
        }

    def _unmatched(self, root: Fields) -> tuple[str, ...]:
        value = root.value("unmatched")
        if isinstance(value, Text):
            if value == "drop":
                return ()
            if value in ("none", "false", "no", "ignore"):
                self._problems.error(value, f'unmatched: "{value}" is not possible', "did you mean drop?")
                return ()
        return self._names(root, "unmatched")

    def _names(self, fields: Fields, key: str) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for entry in fields.entries(key):
            if isinstance(entry, Block):
                text = 'a destination with settings of its own ("to:") is not built yet'
                self._problems.error(entry, text, f"write {key}: [name], and the settings at the destination")
            elif not isinstance(entry, Text):
                self._problems.error(entry, f'"{key}" takes names of destinations, not a list in a list')
            elif entry.unset:
                continue
            elif entry.null:
                self._problems.error(entry, f'"{key}" has an entry without a value', "name a destination")
            elif entry not in self._destinations:
                self._problems.error(entry, f'there is no destination "{entry.written}"', self._meant(key, entry))
            elif entry in names:
                self._problems.error(entry, f'destination "{entry}" is named twice', "remove one")
            else:
                names[str(entry)] = None
        self._used.update(names)
        return tuple(names)

    def _meant(self, key: str, entry: Text) -> str:
        if entry == "drop":
            return "drop stands alone: unmatched: drop" if key == "unmatched" else "leave the rule out to send nothing"
        return guess(entry, self._destinations)
