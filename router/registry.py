"""Which plugins there are: the only code that knows where they are found."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from router import __version__
from router.plugin import Plugin, Settings

#: Other distributions name their plugins under this in their pyproject.toml.
GROUP = "callrouter.plugins"

#: The bundled plugins live beside this package, whatever else is called ``plugins`` in the environment.
BUNDLED = Path(__file__).resolve().parent.parent / "plugins"


#: Tests of plugins may stand beside them.
_TESTS = re.compile(r"test_.*|.*_test|conftest")


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a plugin wants installed: ``requirement`` as its package says it, and the version there is."""

    requirement: str
    #: None: it is not installed.
    installed: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """One plugin, with where it came from (``bundled``, a distribution with its version, or a file)."""

    plugin: type[Plugin[Settings]]
    origin: str
    #: Of its package; of a file in a folder, what its ``__version__`` says. None: it does not say.
    version: str | None = None
    needs: tuple[Need, ...] = ()
    #: The optional extra of callrouter that ``needs`` are in; None: they are always needed.
    extra: str | None = None


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
    package: str | None = None
    file: Path | None = None


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
            place = _Place(f"{name} (bundled)", "bundled", package=_OURS)
            self._take(place, lambda name=name: importlib.import_module(name))

    def entry_points(self) -> None:
        for point in importlib.metadata.entry_points(group=GROUP):
            origin = f"{point.dist.name} {point.dist.version}" if point.dist else "an entry point"
            package = point.dist.name if point.dist else None
            self._take(_Place(f"{point.value} ({origin})", origin, package=package), point.load)

    def folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self.broken[str(folder)] = "the folder does not exist"
            return
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("_") and not _TESTS.fullmatch(path.stem):
                self._take(_Place(str(path), str(path), file=path), lambda path=path: _import_file(path))

    def result(self) -> Registry:
        plugins = {}
        for kind, places in sorted(self.found.items()):
            if len(places) == 1:
                [(place, plugin)] = places.items()
                plugins[kind] = _described(plugin, place)
                continue
            for place in places:
                others = " and ".join(other.name for other in places if other is not place)
                self.broken[place.name] = (
                    f'type "{kind}" is also the type of {others}; neither is used: remove one, or give it another type'
                )
        return Registry(plugins, self.broken)

    def _take(self, place: _Place, load: Any) -> None:
        try:
            loaded = load()
        # A stranger's module may fail in any way while it is imported; the others must still be found.
        except (Exception, SystemExit) as ex:  # noqa: BLE001 - see above
            self.broken[place.name] = _why(ex, place)
            return
        classes = list(_plugins_in(loaded))
        if not classes:
            self.broken[place.name] = _NO_PLUGIN
        for plugin in classes:
            if problem := _problem(plugin):
                self.broken[place.name] = problem
            else:
                self.found.setdefault(plugin.type, {})[place] = plugin


#: Our own distribution.
_OURS = "callrouter"
_NO_PLUGIN = "there is no plugin in it: a class derived from router.plugin.Plugin"


def in_file(path: Path) -> type[Plugin[Settings]]:
    """Return the one plugin in the file *path*; raises ValueError where there is none, or several."""
    found = [plugin for plugin in _plugins_in(_import_file(path)) if not _problem(plugin)]
    if len(found) != 1:
        raise ValueError(f"{path}: {'there are several plugins in it' if found else _NO_PLUGIN}")
    return found[0]


def _described(plugin: type[Plugin[Settings]], place: _Place) -> Found:
    """Return *plugin* with what its package, or its file, says of it."""
    if place.package is None:
        version = getattr(sys.modules.get(plugin.__module__), "__version__", None)
        return Found(plugin, place.origin, version if isinstance(version, str) else None)
    try:
        package = importlib.metadata.distribution(place.package)
    except importlib.metadata.PackageNotFoundError:
        # A checkout of ours that is not installed.
        return Found(plugin, place.origin, __version__ if place.package == _OURS else None)
    extra = plugin.type if place.package == _OURS else None
    needs = tuple(_needs(package.requires or (), extra))
    return Found(plugin, place.origin, package.version, needs, extra if needs else None)


def _needs(requirements: Sequence[str], extra: str | None) -> Iterator[Need]:
    """Yield which of *requirements* are those of *extra*; None: those that are of no extra, callrouter left out."""
    for requirement in requirements:
        wanted, _, marker = (part.strip() for part in requirement.partition(";"))
        of = re.search(r"""extra\s*==\s*["']([^"']+)["']""", marker)
        name = re.match(r"[\w.-]+", wanted)
        if name is None or (of[1] if of else None) != extra or name[0].lower() == _OURS:
            continue
        try:
            installed = importlib.metadata.version(name[0])
        except importlib.metadata.PackageNotFoundError:
            installed = None
        yield Need(wanted, installed)


def _why(ex: BaseException, place: _Place) -> str:
    """Return why a plugin cannot be imported, with the line of its file and what to do, for somebody who reads it."""
    said = f"it cannot be imported: {type(ex).__name__}: {ex}".rstrip(": ")
    if place.file is not None and not isinstance(ex, SyntaxError):
        frames = traceback.extract_tb(ex.__traceback__)
        own = place.file.resolve()
        line = next((frame.lineno for frame in reversed(frames) if Path(frame.filename).resolve() == own), None)
        said += f" (line {line})" if line else ""
    if isinstance(ex, ModuleNotFoundError):
        return f"{said}; install it where callrouter is"
    if place.package not in (None, _OURS):
        return f"{said}; update the package {place.package}, or remove it"
    return said


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
