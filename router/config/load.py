"""One file in, one proved configuration out, or everything that is wrong with it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

from router.config import scalars
from router.config.alerts import read_alerts
from router.config.certificates import Certificates
from router.config.destinations import apply_defaults, read_destinations
from router.config.documents import include, read_first
from router.config.doubts import doubt_rules, doubt_secrets, doubt_texts, doubt_twins
from router.config.fields import Fields
from router.config.files import Files, Snapshot
from router.config.hours import HoursReader
from router.config.lists import read_lists
from router.config.located import Block, Items, Text
from router.config.model import Address, Config
from router.config.overrides import OverrideReader
from router.config.problems import Place, Problems
from router.config.rules import RuleReader
from router.config.sources import read_sources
from router.config.tests import TestReader
from router.config.trials import trials
from router.config.upkeep import read_disk, read_retention
from router.config.variables import Variables
from router.config.whereabouts import KEYS as WHEREABOUTS
from router.config.whereabouts import read_whereabouts
from router.config.wording import Wording
from router.registry import Registry, discover

_KEYS = ("include", "listen", "admin", *WHEREABOUTS, "timezone", "region", "own_numbers", "trusted_proxies", "plugins",
         "calls", "retention", "disk", "hours", "lists", "sources", "defaults", "destinations", "rules", "always",
         "unmatched", "alerts", "tests")  # fmt: skip


def load(
    path: Path,
    environ: Mapping[str, str] = os.environ,
    *,
    registry: Registry | None = None,
    to_look: bool = False,
    snapshot: Snapshot | None = None,
) -> Config:
    """Return the configuration in *path*, checked whole; raises ConfigError with every mistake at once.

    Relative paths in it begin at its own folder. *registry* stands in for the plugins that would be found. With
    *snapshot*, that of a Config, nothing is read from disk: it becomes that configuration again.

    With *to_look*, a variable that is not set here is no mistake: the daemon has its own environment, and whoever asks
    it how things stand need not know its secrets. What lacks one is then left out (``unset`` says which), so
    that nothing may be let in by such a configuration, and nothing sent to a destination that it disables.
    """
    with _no_collections():
        files = Files(snapshot)
        problems, root = read_first(path, files)
        include(root, path, files, problems)
        variables = Variables(environ, path.resolve().parent, files, problems, forgiving=to_look)
        variables.fill(root)
        certificates = Certificates(path.resolve().parent, proved=not (files.remembered or to_look))
        config = _Loader(root, path, files, certificates, problems).config(registry)
        problems.raise_errors()
        return replace(config, unset=tuple(variables.unset) if to_look else (), snapshot=files.read_so_far)


def plugin_folders(path: Path) -> list[Path]:
    """Return the folders that ``plugins:`` names in a configuration that need not be right otherwise.

    They need not exist. Raises ConfigError where *path* cannot be read.
    """
    files = Files(None)
    problems, root = read_first(path, files)
    include(root, path, files, problems)
    named = root.get("plugins")
    entries = named.get("folders") if isinstance(named, Block) else None
    texts = entries if isinstance(entries, Items) else [entries]
    return [path.resolve().parent / text for text in texts if isinstance(text, Text) and text]


@contextmanager
def _no_collections() -> Iterator[None]:
    """Look for cycles again only when the file is read: nothing of it is garbage, and looking doubles the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Loader:
    def __init__(self, root: Block, path: Path, files: Files, certificates: Certificates, problems: Problems) -> None:
        self._root = root
        self._path = path
        self._folder = path.resolve().parent
        self._certificates = certificates
        self._files = files
        self._problems = problems
        self._fields = Fields(root, problems, known=_KEYS)

    def config(self, registry: Registry | None) -> Config:
        fields, problems = self._fields, self._problems
        where, (listen, admin) = read_whereabouts(self._root, fields, self._folder, problems), self._listeners()
        folders = self._plugin_folders()
        registry = registry or discover(folders)
        self._report_broken(registry, folders)
        region = fields.read("region", scalars.region)
        timezone = fields.read("timezone", scalars.timezone, UTC)
        hours = HoursReader(timezone, self._path.parent, self._files, problems).read(fields)
        calls = fields.inner("calls", ("settle", "stale_after"))
        source_block, destination_block = self._required("sources"), self._required("destinations")
        fields.require("unmatched", Place(1, 1), "say who hears of events that no rule matches, or unmatched: drop")
        sources = read_sources(source_block, listen, problems)
        apply_defaults(fields.block("defaults"), destination_block, problems)
        wording = Wording(problems)
        named = hours.keys()
        destinations = read_destinations(
            destination_block, registry, self._certificates, wording, problems, hours=named
        )
        lists = read_lists(fields.block("lists") or Block(), self._path.parent, self._files, problems)
        overrides = OverrideReader(destinations, wording, problems)
        rules = RuleReader(destination_block, sources, overrides, problems, region=region, hours=named, lists=lists)
        routes = rules.read(fields)
        alerts = read_alerts(fields, rules, problems)
        rules.warn_of_the_unused(destination_block)
        tests = TestReader(
            self._path, problems, destinations=destinations, named=destination_block, sources=sources, zone=timezone
        ).read(fields)
        if not problems.errors:
            doubt_rules(routes, rules.names, problems)
            doubt_twins(routes, destinations, destination_block, problems)
            doubt_texts(self._root, problems)
            self._doubt_secrets(source=source_block, destination=destination_block)
        config = Config(
            path=self._path,
            version=self._files.version,
            listen=listen,
            admin=admin,
            store=where.store,
            data=where.data,
            node=where.node,
            spool=where.spool,
            timezone=timezone,
            region=region,
            own_numbers=frozenset(fields.each("own_numbers", scalars.phone_number(region))),
            trusted_proxies=tuple(fields.each("trusted_proxies", scalars.network)),
            sources=sources,
            destinations=destinations,
            routes=routes,
            settle=calls.read("settle", scalars.duration_or_none, 5.0) if calls else 5.0,
            hours=hours,
            stale_after=calls.read("stale_after", scalars.duration, 14400.0) if calls else 14400.0,
            alerts=alerts,
            retention=read_retention(fields, problems),
            disk=read_disk(fields),
            tests=tests,
            warnings=problems.in_file_order(),
        )
        wording.prove(routes, lambda: trials(config))
        return config

    def _required(self, name: str) -> Block:
        hint = "name at least one, for example wavix:" if name == "sources" else "name at least one, with its type:"
        self._fields.require(name, Place(1, 1), hint)
        block = self._fields.block(name)
        if block is None:
            block = Block()
            block.place = Place(1, 1)
        elif not block:
            self._problems.error(self._fields.key(name), f'"{name}" is empty', hint)
        return block

    def _listeners(self) -> tuple[Address, Address]:
        listen = self._fields.read("listen", scalars.address, Address("127.0.0.1", 8080))
        inner = self._fields.inner("admin", ("listen",))
        admin = Address("127.0.0.1", 8081)
        if inner is not None:
            inner.require("listen", self._fields.key("admin"), "write admin: {listen: 127.0.0.1:8081}")
            admin = inner.read("listen", scalars.address, admin)
        same = listen.host == admin.host or scalars.is_everywhere(listen) or scalars.is_everywhere(admin)
        if same and listen.port == admin.port != 0:
            at: Any = self._root["admin"] if inner else self._fields.key("listen")
            at = at["listen"] if isinstance(at, Block) and isinstance(at.get("listen"), Text) else at
            text = f"listen and admin.listen are both port {listen.port}: metrics must not be open to senders"
            self._problems.error(at, text, "give admin.listen another port")
        return listen, admin

    def _plugin_folders(self) -> list[Path]:
        inner = self._fields.inner("plugins", ("folders",))
        return inner.each("folders", self._existing_folder) if inner else []

    def _existing_folder(self, value: str) -> Path:
        path = self._folder / scalars.text(value)
        try:
            found = path.is_dir()
        except (OSError, ValueError):
            found = False
        if not found:
            raise ValueError(f'there is no folder "{value}"')
        return path

    def _doubt_secrets(self, **blocks: Block) -> None:
        for kind, block in blocks.items():
            doubt_secrets(kind, block, self._problems)

    def _report_broken(self, registry: Registry, folders: Sequence[Path]) -> None:
        at: Any = self._fields.key("plugins") if "plugins" in self._root else Place(1, 1)
        for place, reason in registry.broken.items():
            # Where the operator asked for a folder, half of it is not what was asked for.
            asked_for = any(Path(place).is_relative_to(folder) for folder in folders)
            report = self._problems.error if asked_for else self._problems.warning
            report(at, f"plugin {place} cannot be used: {reason}")
