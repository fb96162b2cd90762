"""The YAML of a configuration: its first file, and those that it includes, put together as if they were one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from router.config.files import Files, TooLarge
from router.config.located import Block, Items, Text, Value, read
from router.config.problems import Place, Problems, nearest
from router.errors import ConfigError, Problem

#: Far beyond any configuration written by people, and by most programs.
MAX_BYTES = 16 * 1024 * 1024

#: What an included file may have: blocks whose names must differ, and lists that go on in the order of the files.
_BLOCKS = ("sources", "destinations", "lists", "hours")
_LISTS = ("rules", "tests", "always")


def read_first(path: Path, files: Files) -> tuple[Problems, Block]:
    """Return what is in the first file; raises ConfigError where nothing can be read at all."""
    source = _decoded(path, _content(path, files))
    problems = Problems(str(path), source)
    root = read(source, problems)
    if root is None:
        raise ConfigError(problems.in_file_order())
    return problems, root


def include(root: Block, path: Path, files: Files, problems: Problems) -> None:
    """Add to *root*, the content of *path*, what the files named under its ``include:`` have."""
    value = root.get("include")
    if value is None:
        return
    entries = value if isinstance(value, Items) else [value]
    merge = _Merge(root, problems)
    taken: set[Path] = set()
    for entry in entries:
        if not isinstance(entry, Text) or entry.null or not entry:
            problems.error(entry, '"include" takes names of files and folders', "write include: [teams/, vip.yaml]")
            continue
        for name in _named(entry, path, files, problems):
            if _plain(name) == _plain(path):
                problems.error(
                    entry, f'"{path.name}" would include itself', "name a file, or a folder that it is not in"
                )
                continue
            if _plain(name) in taken:
                problems.error(entry, f'"{name.name}" is included twice', "name it, or the folder that it is in, once")
                continue
            taken.add(_plain(name))
            content = _included(entry, name, files, problems)
            if content is not None:
                merge.add(content)


def _named(entry: Text, path: Path, files: Files, problems: Problems) -> list[Path]:
    """Return the files that *entry* names: itself, or what is in the folder it names."""
    named = path.parent / entry
    try:
        if not files.is_folder(named):
            return [named]
        found = files.listing(named, ("*.yaml", "*.yml"))
    except (OSError, ValueError) as ex:
        problems.error(entry, f'"{entry.written}" cannot be read ({getattr(ex, "strerror", None) or ex})')
        return []
    if not found:
        problems.warning(entry, f'there is no *.yaml in the folder "{entry.written}"', "remove the entry, or add one")
    # As the first file is named: relative to where the command was started.
    return [named / one.name for one in found]


def _plain(path: Path) -> Path:
    """Return *path* without its detours, so that two spellings of one file are equal."""
    return Path(os.path.normpath(path.absolute()))


def _included(entry: Text, path: Path, files: Files, problems: Problems) -> Block | None:
    try:
        content = files.content(path, MAX_BYTES)
    except FileNotFoundError:
        problems.error(entry, f'there is no file or folder "{entry.written}"', "names begin at the folder of this file")
        return None
    except TooLarge:
        problems.error(entry, f'"{entry.written}" is larger than {MAX_BYTES} bytes', "this is no configuration")
        return None
    except (OSError, ValueError) as ex:
        problems.error(entry, f'"{entry.written}" cannot be read ({getattr(ex, "strerror", None) or ex})')
        return None
    if path.suffix not in (".yaml", ".yml"):
        problems.error(entry, f'"{entry.written}" is neither a folder nor a .yaml file', "include only those")
        return None
    try:
        source = _decoded(path, content)
    except ConfigError as ex:
        [problem] = ex.problems
        problems.know(str(path), content.decode("utf-8", "replace"))
        place = Place(problem.line, problem.column, file=str(path))
        problems.error(place, problem.text, problem.hint)
        return None
    problems.know(str(path), source)
    if not source.strip() or all(line.lstrip()[:1] in ("", "#") for line in source.splitlines()):
        return None
    return read(source, problems, str(path))


class _Merge:
    def __init__(self, root: Block, problems: Problems) -> None:
        self._root = root
        self._problems = problems
        self._adders: dict[str, Callable[[Text, Value], None]] = {
            **dict.fromkeys(_BLOCKS, self._block),
            **dict.fromkeys(_LISTS, self._list),
        }

    def add(self, content: Block) -> None:
        for key, value in content.items():
            name = content.key(key)
            adder = self._adders.get(name)
            if adder is not None:
                adder(name, value)
                continue
            hint = f"an included file may have {', '.join((*_BLOCKS, *_LISTS))}"
            near = nearest(name, self._adders)
            if name == "include":
                self._problems.error(name, "an included file cannot include others", "name all files in the first one")
            elif name in self._root:
                text = (
                    f'"{name}" is in {self._problems.spell(self._root.key(name).place, seen_from=name.place)} already'
                )
                self._problems.error(name, text, hint)
            else:
                self._problems.error(
                    name, f'"{name}" cannot stand in an included file', f'did you mean "{near}"?' if near else hint
                )

    def _block(self, name: Text, value: Value) -> None:
        mine = self._root.get(name)
        if not isinstance(value, Block) or not (mine is None or isinstance(mine, Block)):
            self._problems.error(value, f'"{name}" needs a block of keys', f"write {name}: {{key: value}}")
            return
        if mine is None:
            self._root[name] = value
            return
        for key, inner in value.items():
            if key in mine:
                place = self._problems.spell(mine.key(key).place, seen_from=value.key(key).place)
                self._problems.error(
                    value.key(key), f'"{key}" is in the {name} of {place} already', "rename one, or remove it"
                )
            else:
                mine[key] = inner

    def _list(self, name: Text, value: Value) -> None:
        mine = self._root.get(name)
        if isinstance(value, Block) or isinstance(mine, Block):
            self._problems.error(value, f'"{name}" needs a list', "every entry begins with a dash")
            return
        both = Items([*_entries(mine), *_entries(value)])
        both.place = name.place if mine is None else mine.place
        # The key stays the one of the first file, for messages.
        self._root[name] = both


def _entries(value: Value | None) -> list[Value]:
    if value is None:
        return []
    return list(value) if isinstance(value, Items) else [value]


def _content(path: Path, files: Files) -> bytes:
    try:
        return files.content(path, MAX_BYTES)
    except IsADirectoryError:
        raise _refusal(path, "this is a folder, not a file", "name the file, for example config.yaml") from None
    except TooLarge:
        raise _refusal(path, f"the file is larger than {MAX_BYTES} bytes", "this is no configuration") from None
    except FileNotFoundError:
        raise _refusal(
            path, "there is no such file", "name another with --config, or write one with callrouter init"
        ) from None
    except (OSError, ValueError) as ex:
        raise _refusal(path, f"the file cannot be read ({getattr(ex, 'strerror', None) or ex})", None) from None


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as ex:
        before = content[: ex.start].decode("utf-8-sig", "replace").split("\n")
        text = "the file is not UTF-8 text"
        raise ConfigError([Problem(str(path), len(before), len(before[-1]) + 1, text, "save it as UTF-8")]) from None


def _refusal(path: Path, text: str, hint: str | None) -> ConfigError:
    return ConfigError([Problem(str(path), 1, 1, text, hint)])
