"""``rules:``, ``always:`` and ``unmatched:``, compiled and held against the destinations there are."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Set
from typing import Any

from router.config import scalars
from router.config.fields import Fields, read_scalar
from router.config.located import Block, Items, Text
from router.config.model import Source
from router.config.overrides import OverrideReader, warn_of_different_texts
from router.config.problems import Problems, guess
from router.matching import Condition, ValueList, compile_when
from router.plugin import Settings
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
        overrides: OverrideReader,
        problems: Problems,
        *,
        region: str | None,
        hours: Set[str],
        lists: Mapping[str, ValueList],
    ) -> None:
        self._destinations = destinations
        self._overrides = overrides
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
        #: Where (rule, destination) is written.
        self._places: dict[tuple[str, str], Text] = {}

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
        always = self.named(root, "always")
        unmatched = self._unmatched(root)
        self._complete = self._problems.errors == errors_before
        routes = Routes(tuple(rule for rule in rules if rule), always, unmatched)
        if self._complete:
            warn_of_different_texts(routes.rules, self._places, self._problems)
        return routes

    def warn_of_the_unused(self, block: Block) -> None:
        """Note every destination that nothing is ever sent to, unless the rules themselves had mistakes."""
        for name in block if self._complete else ():
            if name not in self._used:
                text = f'nobody sends to destination "{name}"'
                self._problems.warning(block.key(name), text, "name it under send:, always:, unmatched: or alerts:")

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
        overrides: dict[str, Settings] = {}
        required = fields.require("send", at, "write send: [destination]")
        send = self._names(fields, "send", str(name), overrides) if required else ()
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
            overrides=overrides,
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
        return self.named(root, "unmatched")

    def named(self, fields: Fields, key: str) -> tuple[str, ...]:
        """Return the destinations under *key*, which are told something; a mistake is reported."""
        return self._names(fields, key)

    def _names(
        self, fields: Fields, key: str, rule: str = "", overrides: dict[str, Settings] | None = None
    ) -> tuple[str, ...]:
        """Return the destinations under *key*; settings that a *rule* has of its own go into *overrides*."""
        names: dict[str, None] = {}
        for entry in fields.entries(key):
            to = self._to(entry, key, overrides)
            if not isinstance(to, Text) or to.unset:
                continue
            if to.null:
                self._problems.error(to, f'"{key}" has an entry without a value', "name a destination")
            elif not self._destinations:
                # That there is none at all has been said.
                continue
            elif to not in self._destinations:
                self._problems.error(to, f'there is no destination "{to.written}"', self._meant(key, to))
            elif to in names:
                self._problems.error(to, f'destination "{to}" is named twice', "remove one")
            else:
                names[str(to)] = None
                self._places.setdefault((rule, str(to)), to)
                if isinstance(entry, Block) and overrides is not None:
                    settings = self._overrides.settings(entry, to, rule)
                    if settings is not None:
                        overrides[str(to)] = settings
        self._used.update(names)
        return tuple(names)

    def _to(self, entry: Any, key: str, overrides: dict[str, Settings] | None) -> Any:
        """Return what an entry names, as it stands in the file; None after reporting that it names nothing."""
        if isinstance(entry, Text):
            return entry
        if not isinstance(entry, Block):
            self._problems.error(entry, f'"{key}" takes names of destinations, not a list in a list')
        elif overrides is None:
            text = f'"{key}" takes names of destinations alone'
            self._problems.error(entry, text, "a text of its own is for a rule: send: [{to: name, text: …}]")
        elif "to" not in entry:
            hint = "write {to: name, text: …}"
            self._problems.error(entry, f'this entry of "{key}" does not say to whom: "to" is missing', hint)
        elif not isinstance(entry["to"], Text):
            self._problems.error(entry["to"], '"to" takes the name of one destination', "write an entry for each")
        else:
            return entry["to"]
        return None

    def _meant(self, key: str, entry: Text) -> str:
        if entry == "drop":
            return "drop stands alone: unmatched: drop" if key == "unmatched" else "leave the rule out to send nothing"
        return guess(entry, self._destinations)
