"""What is allowed in a configuration and most likely not meant: warnings that a look at one key cannot give."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from router.config.located import Block, Text, Value, texts
from router.config.model import Destination
from router.config.problems import Problems
from router.matching import Condition, OneOf, conjunction, contradiction, implies
from router.routes import Routes, Rule

#: Comparing each rule with each other would take longer than everything else; beyond this many pairs the rest is not
#: compared, which costs a warning and nothing more.
_MOST_PAIRS = 20_000
_CURLY = re.compile("[“”„].*[“”]", re.DOTALL)
#: A variable as shells take it.
_UNBRACED = re.compile(r"(?:[A-Za-z]+ )?\$[A-Z_][A-Z0-9_]+|%[A-Z_][A-Z0-9_]+%")
#: Keys, and names of headers, whose values are secrets.
_SECRET_KEY = re.compile(r"authorization|bearer|token|secret|password|key|cookie|value|webhooks|proxy", re.IGNORECASE)


def doubt_rules(routes: Routes, names: Mapping[str, Text], problems: Problems) -> None:
    """Warn of rules that can never match, are hidden behind a ``stop``, or send again what another sends."""
    earlier = _Earlier()
    enabled = [rule for rule in routes.rules if rule.enabled and rule.name in names]
    earlier.weigh(enabled)
    for rule in enabled:
        why = contradiction(rule.condition)
        if why is not None:
            problems.warning(names[rule.name], f'rule "{rule.name}" can never match: {why}', "mend its when:")
            continue
        for other in earlier.that_match_whenever(rule):
            place = problems.spell(names[other.name].place, seen_from=names[rule.name].place)
            if other.stop:
                text = f'rule "{rule.name}" is never asked: "{other.name}" ({place}) matches whenever it does and stops'
                problems.warning(names[rule.name], text, "put it above, or narrow the other")
                break
            own = {*rule.overrides, *other.overrides}
            twice = [name for name in rule.send if name in other.send and name not in own and not other.once]
            if twice:
                text = f'rule "{rule.name}" sends to {", ".join(twice)} what "{other.name}" ({place}) sends there too'
                problems.warning(names[rule.name], text, "one delivery is made of both; name it in one of them")
                break
        earlier.add(rule)


class _Earlier:
    """The rules above one, found by an exact value that their condition demands."""

    def __init__(self) -> None:
        self._weights: Counter[tuple[tuple[str, ...], str]] = Counter()
        self._by_value: dict[tuple[tuple[str, ...], str], list[Rule]] = defaultdict(list)
        self._others: list[Rule] = []
        self._pairs = 0

    def weigh(self, rules: Sequence[Rule]) -> None:
        for rule in rules:
            for place, values in _exact(rule.condition):
                self._weights.update((place, value) for value in values)

    def add(self, rule: Rule) -> None:
        demands = list(_exact(rule.condition))
        if not demands:
            self._others.append(rule)
            return
        # Under the rarest of its values it is compared with the fewest.
        place, values = min(demands, key=lambda one: sum(self._weights[one[0], value] for value in one[1]))
        for value in values:
            self._by_value[place, value].append(rule)

    def that_match_whenever(self, rule: Rule) -> Iterator[Rule]:
        found = list(self._others)
        for place, values in _exact(rule.condition):
            found += self._by_value.get((place, min(values)), ())
        for other in found:
            self._pairs += 1
            if self._pairs > _MOST_PAIRS:
                return
            sees = other.sees_own_events or not rule.sees_own_events
            if sees and implies(rule.condition, other.condition):
                yield other


def _exact(condition: Condition) -> Iterator[tuple[tuple[str, ...], frozenset[str]]]:
    for test in conjunction(condition.parts):
        if isinstance(test.check, OneOf) and test.check.exact and not test.check.patterns:
            yield test.place, test.check.exact


def doubt_twins(routes: Routes, destinations: Mapping[str, Destination], block: Block, problems: Problems) -> None:
    """Warn where one rule (or ``always``) sends to two destinations that are the same but for their names."""
    groups = [("always:", routes.always), *((f'rule "{rule.name}"', rule.send) for rule in routes.rules)]
    told = set()
    for where, send in groups:
        seen: dict[str, str] = {}
        for name in send:
            destination = destinations.get(name)
            own = block.get(name)
            if destination is None or not isinstance(own, Block) or len(own) < 2:
                continue
            twin = seen.setdefault(destination.fingerprint, name)
            if twin != name and (twin, name) not in told:
                told.add((twin, name))
                text = f'destination "{name}" is the same as "{twin}", and {where} sends to both: it is told twice'
                problems.warning(block.key(name), text, "remove one, or change its settings")


def doubt_texts(root: Block, problems: Problems) -> None:
    """Warn of texts under *root* that were typed as YAML and callrouter do not read them: their quotes, a variable."""
    for text in texts(root):
        if text.style in (None, "") and _CURLY.fullmatch(text.written):
            hint = 'write straight ones: "…"'
            problems.warning(text, "the typographic quotes are part of this text", hint)
        elif _UNBRACED.fullmatch(text.written):
            problems.warning(text, "this is no variable but a text, and used as it stands", 'write "${NAME}"')


def doubt_secrets(kind: str, named: Block, problems: Problems) -> None:
    """Warn of secrets that are written in the file itself, in any source or destination (*kind*) of *named*."""
    for name, block in named.items():
        for key, text in _keyed(str(name), block):
            if problems.hides(text) and _is_secret(key, str(text)) and not _UNBRACED.fullmatch(text.written):
                hint = 'take it from the environment ("${NAME}") or from a file ("${file:PATH}")'
                problems.warning(text, f'{key} of {kind} "{name}" is a secret, and written in this file', hint)


def _keyed(key: str, value: Value) -> Iterator[tuple[str, Text]]:
    """Yield every scalar below *value* with the key it stands under."""
    if isinstance(value, Block):
        for inner, one in value.items():
            yield from _keyed(str(inner), one)
    elif isinstance(value, Text):
        yield key, value
    else:
        for one in value:
            yield from _keyed(key, one)


def _is_secret(key: str, value: str) -> bool:
    if re.match(r"https?://", value):
        address = urlsplit(value)
        parts = [*address.path.split("/"), *(one for _, one in parse_qsl(address.query))]
        return address.password is not None or any(map(_looks_random, parts))
    # Headers are all kept secret, because some are.
    return _SECRET_KEY.search(key) is not None or re.match(r"(Bearer|Basic) ", value) is not None


def _looks_random(part: str) -> bool:
    """Return whether nobody would choose *part* as a name: as the addresses of incoming webhooks have it."""
    return len(part) >= 16 and any(char.isdigit() for char in part) and any(char.isalpha() for char in part)
