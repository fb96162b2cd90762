"""The ``lists:`` block: named values for conditions, written here or one to a line in a file."""

from __future__ import annotations

from pathlib import Path

from router.config.fields import check_name
from router.config.files import Files, TooLarge
from router.config.located import Block, Items, Text, Value
from router.config.problems import Place, Problems
from router.matching import ValueList

#: A hundred thousand phone numbers have a place in it.
_MAX_BYTES = 4 * 1024 * 1024


def read_lists(lists: Block, folder: Path, files: Files, problems: Problems) -> dict[str, ValueList]:
    """Return every list by its name, as far as it could be read; files are found below *folder*."""
    found = {}
    for name, value in lists.items():
        key = lists.key(name)
        check_name("list", key, problems)
        reader = _Reader(key, folder, files, problems)
        ones = value if isinstance(value, Items) else [] if isinstance(value, Text) and value.null else [value]
        entries = [entry for one in ones for entry in reader.entries(one)]
        if not entries and not reader.failed:
            problems.error(key, f'the list "{name}" is empty', "nothing could ever be in it; name at least one value")
        found[str(name)] = ValueList(str(name), entries)
    return found


class _Reader:
    def __init__(self, key: Text, folder: Path, files: Files, problems: Problems) -> None:
        self._key = key
        self._folder = folder
        self._files = files
        self._problems = problems
        self.failed = False

    def entries(self, value: Value) -> list[Text]:
        if isinstance(value, Text):
            if value.unset:
                self.failed = True
                return []
            if value.null or not value:
                return self._error(value, f'the list "{self._key}" has an entry without a value', "remove it")
            return [value]
        name = value.get("file") if isinstance(value, Block) and set(value) == {"file"} else None
        if not isinstance(name, Text) or name.null or not name:
            text = f'the list "{self._key}" takes values and files'
            return self._error(value, text, 'write [a, b], or {file: "numbers.txt"}')
        return self._lines(name)

    def _lines(self, name: Text) -> list[Text]:
        path = self._folder / name
        try:
            source = self._files.content(path, _MAX_BYTES).decode("utf-8-sig")
        except (FileNotFoundError, IsADirectoryError):
            return self._error(name, f'there is no file "{name}"', "names begin at the folder of config.yaml")
        except TooLarge:
            return self._error(name, f'the file "{name}" is larger than {_MAX_BYTES} bytes', "split it")
        except UnicodeDecodeError:
            return self._error(name, f'the file "{name}" is not UTF-8 text', "save it as UTF-8")
        except (OSError, ValueError) as ex:
            return self._error(name, f'the file "{name}" cannot be read ({getattr(ex, "strerror", None) or ex})', None)
        self._problems.know(str(path), source)
        return list(filter(None, (_entry(line, n, str(path)) for n, line in enumerate(source.splitlines(), 1))))

    def _error(self, at: object, text: str, hint: str | None) -> list[Text]:
        self.failed = True
        self._problems.error(at, text, hint)
        return []


def _entry(line: str, number: int, file: str) -> Text | None:
    """Return the value in one line, None where there is only space or a comment."""
    value = line.partition(" #")[0].strip()
    if not value or value.startswith("#"):
        return None
    return Text(value, Place(number, line.index(value) + 1, len(value), file))
