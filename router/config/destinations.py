"""The ``destinations:`` block: which plugin tells whom, with which settings, and how patiently."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from router.config import scalars
from router.config.certificates import Certificates
from router.config.fields import Fields, check_name
from router.config.located import Block, Text, bare, texts
from router.config.model import SWITCHED_OFF, Destination
from router.config.policy import PolicyReader
from router.config.problems import Problems, guess, nearest
from router.config.settings import COMMON, PluginSettings
from router.config.wording import Wording
from router.plugin import Plugin, Settings
from router.registry import Registry
from router.secret import Secret
from router.units import rate

_NOT_BUILT = {
    "hold": "leave it out; with open: HOURS it waits until they open",
    "digest": "leave it out: each event is a delivery of its own",
}
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
    destinations: Block,
    registry: Registry,
    certificates: Certificates,
    wording: Wording,
    problems: Problems,
    *,
    hours: Collection[str] = (),
) -> dict[str, Destination]:
    """Return every destination by its name, as far as it could be read; *wording* gathers their templates.

    *hours* are the names that ``open:`` can have.
    """
    found: dict[str, Destination] = {}
    for name, value in destinations.items():
        key = destinations.key(name)
        if name in _RESERVED:
            problems.error(key, f'"{name}" cannot be the name of a destination', f"unmatched: {name} would be unclear")
        check_name("destination", key, problems)
        if not isinstance(value, Block):
            problems.error(key, f'destination "{name}" needs a block of keys', "write at least its type:")
            continue
        reader = _Reader(key, value, registry, certificates, hours=hours, wording=wording, problems=problems)
        destination = reader.destination()
        if destination is not None:
            found[str(name)] = destination
    _check_former_names(destinations, problems)
    return found


class _Reader:
    def __init__(
        self,
        key: Text,
        block: Block,
        registry: Registry,
        certificates: Certificates,
        *,
        hours: Collection[str],
        wording: Wording,
        problems: Problems,
    ) -> None:
        self._key = key
        self._block = block
        self._registry = registry
        self._certificates = certificates
        self._hours = hours
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
        settings = reader.read(self._certificates.folder)
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
        policy = PolicyReader(fields, self._hours, self._problems, where=self._where)
        return {
            "retry": policy.retry(),
            "breaker": policy.breaker(),
            "answers": policy.answers(),
            "open": policy.open(),
            "order": order,
            "after_dead_letter": fields.read("after_dead_letter", scalars.choice("continue", "hold"), "continue"),
            "unknown": fields.read("unknown", scalars.choice("retry", "hold"), "retry"),
            "concurrency": fields.read("concurrency", scalars.whole(1, 1000), 32),
            "rate": fields.read("rate", rate),
            "timeout": fields.read("timeout", scalars.duration, 30.0),
            "expire": fields.read("expire", scalars.duration),
            "allow_private": fields.read("allow_private", scalars.boolean, True),
            "ca": fields.read("ca", self._certificates.authorities),
            "certificate": self._certificates.own(fields),
            "proxy": fields.read("proxy", _proxy),
            "keep_answers": fields.read("keep_answers", scalars.boolean, False),
            "formerly": fields.read("formerly", scalars.word),
            "description": fields.read("description", scalars.text, ""),
        }


def _proxy(value: str) -> Secret:
    try:
        url = urlsplit(value)
        usable = url.scheme == "http" and url.hostname is not None and url.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f]", value):
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
