"""``${VAR}``, ``${VAR:-default}``, ``${file:PATH}`` and ``$${`` in the values of config.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from router.config.files import Files, TooLarge
from router.config.located import Block, Text, Value
from router.config.problems import Problems

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: A secret is a line; a file beyond this is not one.
_MAX_FILE = 65536


class _Unset(Exception):
    """There is nothing to put in; the text says why."""


class _Malformed(Exception):
    """This is no reference at all."""


class Variables:
    """Fills in what a configuration takes from the environment and from files; an empty variable counts as unset."""

    def __init__(
        self, environ: Mapping[str, str], folder: Path, files: Files, problems: Problems, *, forgiving: bool = False
    ) -> None:
        self._environ = environ
        self._folder = folder
        self._files = files
        self._problems = problems
        self._forgiving = forgiving
        self._done: set[int] = set()
        #: What could not be replaced and was not reported, in sentences.
        self.unset: list[str] = []

    def fill(self, root: Block) -> None:
        """Replace every reference under *root*.

        One that cannot be replaced is reported, except in a destination that says ``optional: true``; either way its
        value is marked as unset.
        """
        for key, value in root.items():
            if key == "destinations" and isinstance(value, Block):
                for name, destination in value.items():
                    optional = isinstance(destination, Block) and destination.get("optional") == "true"
                    value[name] = self._filled(destination, optional)
            else:
                root[key] = self._filled(value, False)

    def _filled(self, value: Value, optional: bool) -> Value:
        if isinstance(value, Text):
            return self._text(value, optional)
        if id(value) in self._done:
            return value
        self._done.add(id(value))
        if isinstance(value, Block):
            for key, inner in value.items():
                if "${" in key:
                    self._problems.error(key, "a variable cannot be used in a key", "write the key itself")
                value[key] = self._filled(inner, optional)
        else:
            value[:] = [self._filled(inner, optional) for inner in value]
        return value

    def _text(self, text: Text, optional: bool) -> Text:
        if "${" not in text:
            return text
        try:
            return text.filled(_REFERENCE.sub(self._replacement, text))
        except _Unset as ex:
            if not optional and self._forgiving:
                self.unset.append(str(ex))
            elif not optional:
                hint = "set it, or give a default: ${NAME:-default}" if "is not set" in str(ex) else None
                self._problems.error(text, str(ex), hint)
            return text.filled(text, unset=str(ex))
        except _Malformed as ex:
            self._problems.error(
                text, str(ex), "write ${NAME}, ${NAME:-default} or ${file:PATH}; $${ for the text itself"
            )
            return text.filled(text, unset=str(ex))

    def _replacement(self, match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        inside, closed = match[1], match[2]
        if not closed:
            raise _Malformed('a "${" is never closed')
        if inside.startswith("file:"):
            return self._file(inside.removeprefix("file:"))
        name, has_default, default = inside.partition(":-")
        if not _NAME.fullmatch(name):
            raise _Malformed(f'"${{{inside}}}" is no variable')
        value = self._environ.get(name)
        if value:
            return value
        if has_default:
            return default
        raise _Unset(f"{name} is not set" if value is None else f"{name} is not set (it is empty)")

    def _file(self, name: str) -> str:
        path = self._folder / name
        try:
            text = self._files.content(path, _MAX_FILE, secret=True).decode().rstrip("\r\n")
        except (FileNotFoundError, IsADirectoryError):
            raise _Unset(f'there is no file "{name}"') from None
        except TooLarge:
            raise _Unset(f'the file "{name}" is larger than {_MAX_FILE} bytes') from None
        except UnicodeDecodeError:
            raise _Unset(f'the file "{name}" is not UTF-8 text') from None
        except (OSError, ValueError) as ex:
            raise _Unset(f'the file "{name}" cannot be read ({getattr(ex, "strerror", None) or ex})') from None
        if not text:
            raise _Unset(f'the file "{name}" is empty')
        return text
