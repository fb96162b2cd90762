"""Which plugins there are: the only code that knows where they are found."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from router.plugin import Plugin, Settings

#: Other distributions name their plugins under this in their pyproject.toml.
GROUP = "callrouter.plugins"

#: The bundled plugins live beside this package, whatever else is called ``plugins`` in the environment.
BUNDLED = Path(__file__).resolve().parent.parent / "plugins"


@dataclass(frozen=True, slots=True)
class Found:
    """One plugin, with where it came from (``bundled``, a distribution with its version, or a file)."""

    plugin: type[Plugin[Settings]]
    origin: str


@dataclass(frozen=True, slots=True)
class Registry:
    """All plugins by their type; ``broken`` maps a place that could not be loaded to the reason."""

    plugins: Mapping[str, Found]
    broken: Mapping[str, str]


def discover(folders: Sequence[Path] = ()) -> Registry:
    """Return every plugin: bundled, by entry point in group ``callrouter.plugins``, and from *folders*.

    A type found twice appears in ``broken``, under both places, and in ``plugins`` not at all.
    """
    search = _Search()
    search.bundled()
    search.entry_points()
    for folder in folders:
        search.folder(folder)
    return search.result()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a plugin was found: ``name`` tells it from all others, ``origin`` is for the operator."""

    name: str
    origin: str


@dataclass(slots=True)
class _Search:
    found: dict[str, dict[_Place, type[Plugin[Settings]]]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    def bundled(self) -> None:
        try:
            package = importlib.import_module(BUNDLED.name)
        except ImportError as ex:
            self.broken[str(BUNDLED)] = f"the bundled plugins cannot be imported: {ex}"
            return
        paths = [Path(path).resolve() for path in package.__path__]
        if paths != [BUNDLED]:
            self.broken[str(BUNDLED)] = (
                f"another package called {BUNDLED.name} hides the bundled plugins: {', '.join(map(str, paths))}; "
                "install callrouter in an environment of its own"
            )
            return
        for module in pkgutil.iter_modules([str(BUNDLED)]):
            name = f"{BUNDLED.name}.{module.name}"
            self._take(_Place(f"{name} (bundled)", "bundled"), lambda name=name: importlib.import_module(name))

    def entry_points(self) -> None:
        for point in importlib.metadata.entry_points(group=GROUP):
            origin = f"{point.dist.name} {point.dist.version}" if point.dist else "an entry point"
            self._take(_Place(f"{point.value} ({origin})", origin), point.load)

    def folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self.broken[str(folder)] = "the folder does not exist"
            return
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("_"):
                self._take(_Place(str(path), str(path)), lambda path=path: _import_file(path))

    def result(self) -> Registry:
        plugins = {}
        for kind, places in sorted(self.found.items()):
            if len(places) == 1:
                [(place, plugin)] = places.items()
                plugins[kind] = Found(plugin, place.origin)
                continue
            for place in places:
                others = " and ".join(other.name for other in places if other is not place)
                self.broken[place.name] = f'type "{kind}" is also the type of {others}; only one of them can be used'
        return Registry(plugins, self.broken)

    def _take(self, place: _Place, load: Any) -> None:
        try:
            loaded = load()
        # A stranger's module may fail in any way while it is imported; the others must still be found.
        except (Exception, SystemExit) as ex:  # noqa: BLE001 - see above
            self.broken[place.name] = f"it cannot be imported: {type(ex).__name__}: {ex}"
            return
        classes = list(_plugins_in(loaded))
        if not classes:
            self.broken[place.name] = "there is no plugin in it: a class derived from router.plugin.Plugin"
        for plugin in classes:
            if problem := _problem(plugin):
                self.broken[place.name] = problem
            else:
                self.found.setdefault(plugin.type, {})[place] = plugin


def _import_file(path: Path) -> ModuleType:
    # The name is made from the whole path: two folders may both have a crm.py, and neither may be taken for ours.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"callrouter_plugin_{digest}_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _plugins_in(loaded: Any) -> Iterator[type[Plugin[Settings]]]:
    """Yield the plugins that *loaded* (a module, or one class) defines itself, not those it imports."""
    if not isinstance(loaded, ModuleType):
        if isinstance(loaded, type) and issubclass(loaded, Plugin):
            yield loaded
        return
    for each in vars(loaded).values():
        if isinstance(each, type) and issubclass(each, Plugin) and not inspect.isabstract(each):
            inside = f"{each.__module__}."
            if inside.startswith(f"{loaded.__name__}."):
                yield each


def _problem(plugin: type[Plugin[Settings]]) -> str | None:
    if not isinstance(getattr(plugin, "type", None), str) or not plugin.type:
        return f"{plugin.__name__} has no type: the word after `type:` in config.yaml"
    settings = getattr(plugin, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, Settings)):
        return f"{plugin.__name__}.Settings is not a class derived from router.plugin.Settings"
    if plugin.uses_receipts and plugin.order == "none":
        return f'{plugin.__name__} uses receipts, so its order must be "call"'
    return None
