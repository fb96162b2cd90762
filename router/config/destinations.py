"""The ``destinations:`` block: which plugin tells whom, with which settings, and how patiently."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from router.config import scalars
from router.config.fields import Fields, check_name
from router.config.located import Block, Text, bare, texts
from router.config.model import SWITCHED_OFF, Destination
from router.config.problems import Problems, guess, nearest
from router.config.settings import COMMON, PluginSettings
from router.config.wording import Wording
from router.plugin import Plugin, Settings
from router.registry import Registry
from router.retry import RetryPolicy
from router.secret import Secret
from router.units import rate

_NOT_BUILT = {
    "open": "leave it out: deliveries are made at any hour",
    "hold": "leave it out: deliveries are made at any hour",
    "digest": "leave it out: each event is a delivery of its own",
}
_RETRY = ("first", "factor", "max", "give_up_after", "attempts")
_LONGEST_ATTEMPT = 3600.0
#: Words that mean something else where a destination is named.
_RESERVED = ("drop", "none")


#: What each destination says for itself.
_NO_DEFAULT = ("type", "enabled", "optional", "description", "formerly")


def apply_defaults(defaults: Block | None, destinations: Block, problems: Problems) -> None:
    """Give every destination what ``defaults:`` says and it does not; of ``retry`` key by key."""
    if defaults is None:
        return
    shared = tuple(key for key in COMMON if key not in _NO_DEFAULT)
    for name in defaults:
        key = defaults.key(name)
        if name in _NO_DEFAULT:
            problems.error(key, f'"{name}" cannot be a default', "say it at each destination")
        elif name not in shared:
            meant = nearest(key, shared)
            hint = (
                f'did you mean "{meant}"?'
                if meant
                else f"a plugin's own settings stand at each destination; {guess(key, shared)}"
            )
            problems.error(key, f'unknown key "{name}" in defaults', hint)
    given = {defaults.key(name): value for name, value in defaults.items() if name in shared}
    for destination in destinations.values():
        if isinstance(destination, Block):
            _complete(destination, given)


def _complete(destination: Block, given: Mapping[Text, Any]) -> None:
    for key, value in given.items():
        own = destination.get(key)
        if own is None:
            destination[key] = value
        elif isinstance(own, Block) and isinstance(value, Block):
            merged = Block({**{inner: one for inner, one in value.items() if inner not in own}, **own})
            merged.place = own.place
            destination[key] = merged


def read_destinations(
    destinations: Block, registry: Registry, folder: Path, wording: Wording, problems: Problems
) -> dict[str, Destination]:
    """Return every destination by its name, as far as it could be read; *wording* gathers their templates."""
    found: dict[str, Destination] = {}
    for name, value in destinations.items():
        key = destinations.key(name)
        if name in _RESERVED:
            problems.error(key, f'"{name}" cannot be the name of a destination', f"unmatched: {name} would be unclear")
        check_name("destination", key, problems)
        if not isinstance(value, Block):
            problems.error(key, f'destination "{name}" needs a block of keys', "write at least its type:")
            continue
        destination = _Reader(key, value, registry, folder, wording=wording, problems=problems).destination()
        if destination is not None:
            found[str(name)] = destination
    _check_former_names(destinations, problems)
    return found


class _Reader:
    def __init__(
        self, key: Text, block: Block, registry: Registry, folder: Path, *, wording: Wording, problems: Problems
    ) -> None:
        self._key = key
        self._block = block
        self._registry = registry
        self._folder = folder
        self._wording = wording
        self._problems = problems
        self._where = f'destination "{key}"'

    def destination(self) -> Destination | None:
        shared = Block({key: value for key, value in self._block.items() if key in COMMON or key in _NOT_BUILT})
        shared.place = self._block.place
        fields = Fields(shared, self._problems, where=self._where, known=COMMON, not_built=_NOT_BUILT)
        plugin = self._plugin(fields)
        if plugin is None:
            # Without its plugin nobody can say which of its settings are secrets.
            for name, value in self._block.items():
                for text in texts(value) if name not in COMMON else ():
                    self._problems.hide(text)
            self._rest(fields, None)
            return None
        common = (*COMMON, *_NOT_BUILT)
        reader = PluginSettings(
            plugin, self._key, self._block, common=common, wording=self._wording, problems=self._problems
        )
        settings = reader.read(self._folder)
        # A shared key counts too: without its proxy's address a destination must not be told directly.
        unset = next((text.unset for text in texts(self._block) if text.unset), None)
        rest = self._rest(fields, plugin)
        enabled = fields.read("enabled", scalars.boolean, True)
        if settings is None:
            return None
        return Destination(
            name=str(self._key),
            plugin=plugin,
            settings=settings,
            fingerprint=_fingerprint(self._block),
            disabled=unset if enabled else SWITCHED_OFF,
            **rest,
        )

    def _plugin(self, fields: Fields) -> type[Plugin[Settings]] | None:
        plugins = self._registry.plugins
        types = ", ".join(sorted(plugins))
        if not fields.require("type", self._key, f"it says which plugin is used: {types}"):
            return None
        name = fields.read("type", scalars.text)
        if name is None or name in plugins:
            return plugins[name].plugin if name else None
        broken = [reason for place, reason in self._registry.broken.items() if name in place or name in reason]
        hint = f"it could not be loaded: {broken[0]}" if broken else guess(name, plugins)
        value = self._block["type"]
        self._problems.error(value, f'there is no plugin "{value.written}"', hint)
        return None

    def _rest(self, fields: Fields, plugin: type[Plugin[Settings]] | None) -> dict[str, Any]:
        fields.read("optional", scalars.boolean, False)
        if isinstance(proxy := self._block.get("proxy"), Text):
            self._problems.hide(proxy)
        order = fields.read("order", scalars.choice("call", "none"), plugin.order if plugin else "none")
        if plugin and plugin.uses_receipts and order == "none":
            self._problems.error(
                self._block.get("order", self._key),
                f"{self._where} cannot have order: none: each of its deliveries builds on the one before",
                "write order: call, or remove the key",
            )
        return {
            "retry": self._retry(fields),
            "order": order,
            "after_dead_letter": fields.read("after_dead_letter", scalars.choice("continue", "hold"), "continue"),
            "unknown": fields.read("unknown", scalars.choice("retry", "hold"), "retry"),
            "concurrency": fields.read("concurrency", scalars.whole(1, 1000), 32),
            "rate": fields.read("rate", rate),
            "timeout": fields.read("timeout", _time_limit, 30.0),
            "expire": fields.read("expire", scalars.duration),
            "allow_private": fields.read("allow_private", scalars.boolean, True),
            "ca": fields.read("ca", self._certificates),
            "proxy": fields.read("proxy", _proxy),
            "formerly": fields.read("formerly", scalars.word),
            "description": fields.read("description", scalars.text, ""),
        }

    def _retry(self, fields: Fields) -> RetryPolicy:
        block = fields.block("retry")
        if block is None:
            return RetryPolicy()
        inner = Fields(block, self._problems, where=f"retry of {self._where}", known=_RETRY)
        usual = RetryPolicy()
        policy = RetryPolicy(
            first=inner.read("first", scalars.duration, usual.first),
            factor=inner.read("factor", scalars.factor, usual.factor),
            max=inner.read("max", scalars.duration, usual.max),
            give_up_after=inner.read("give_up_after", scalars.duration, usual.give_up_after),
            attempts=inner.read("attempts", scalars.whole(1, 1000)),
        )
        if policy.first > policy.max:
            self._problems.error(
                block.key("first" if "first" in block else "max"),
                f"retry of {self._where}: the first wait is longer than the longest",
                "make max at least as long as first",
            )  # fmt: skip
        return policy

    def _certificates(self, value: str) -> Path:
        path = self._folder / scalars.text(value)
        try:
            readable = path.is_file()
        except (OSError, ValueError):
            readable = False
        if not readable:
            raise ValueError(f'there is no file "{value}"')
        return path


def _time_limit(value: str) -> float:
    seconds = scalars.duration(value)
    # A delivery is leased for longer than any attempt can take, and waits that long when something is lost.
    if seconds > _LONGEST_ATTEMPT:
        raise ValueError(f'"{value}" is more than an hour; one attempt must not take longer')
    return seconds


def _proxy(value: str) -> Secret:
    if not value.startswith(("http://", "https://")):
        raise ValueError("this is no proxy; write for example http://proxy.example:3128")
    return Secret(value)


def _check_former_names(destinations: Mapping[str, Any], problems: Problems) -> None:
    taken: dict[str, str] = {}
    for name, block in destinations.items():
        former = block.get("formerly") if isinstance(block, Block) else None
        if not isinstance(former, Text):
            continue
        if former in destinations:
            text = f'destination "{name}" was not formerly "{former}": a destination of that name is still here'
            problems.error(former, text, "remove formerly:, or the other destination")
        elif former in taken:
            problems.error(former, f'"{former}" is the former name of destination "{taken[former]}" already')
        taken.setdefault(former, name)


def _fingerprint(block: Block) -> str:
    told = {name: value for name, value in bare(block).items() if name != "description"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
