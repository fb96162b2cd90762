"""Reading everything that a data folder holds: the store, the operators' commands, and what waits in the inbox."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from router.commands.file import CommandFile
from router.errors import InvalidEvent, StoreError
from router.event import read
from router.inbox import Entry
from router.inbox.reader import InboxReader
from router.moving.rows import Copy
from router.shares import share_of
from router.store.postgres.calls import INCOMING, TYPES
from router.store.sqlite.file import NAME, open_for_reading
from router.store.sqlite.migrate import known, version

#: Rows fetched at a time.
_PAGE = 1000

_CALLS = f"""SELECT id, {", ".join(f'"{name}"' for name in (*TYPES, *INCOMING))} FROM call"""  # noqa: S608 - our own names


class Sources:
    """One data folder, whose store is locked; nothing in it is changed."""

    def __init__(self, folder: Path) -> None:
        """Open what is there; raises StoreError, also for a store of another format than this version's."""
        self._folder = folder
        self._db = open_for_reading(folder / NAME)
        self._inbox = InboxReader(folder / "inbox")
        self._commands = CommandFile(folder)
        if (found := version(self._db)) != len(known()):
            self.close()
            raise StoreError(
                f"the store in {folder} has format {found} and this version writes {len(known())}: start and stop the "
                "daemon of this version on it once (or run callrouter migrate), then move"
            )
        self._cursors = dict(self._db.execute("SELECT segment, position FROM cursor").fetchall())

    def close(self) -> None:
        """Let go of everything."""
        self._db.close()
        self._inbox.close()
        self._commands.close()

    def command_position(self) -> int:
        """Return the number of the last command that was begun."""
        return int(self._cursors.get("commands", 0))

    def count(self, one: Copy) -> int:
        """Return how many rows there are."""
        match one.table:
            case "call":
                select = _CALLS
            case "asked":
                return sum(1 for _ in self._asked())
            case "inbox":
                return sum(1 for _ in self._waiting())
            case _:
                select = str(one.select)
        number: int = self._db.execute(f"SELECT count(*) FROM ({select})").fetchone()[0]  # noqa: S608 - our own text
        return number

    def rows(self, one: Copy) -> Iterator[Sequence[Any]]:
        """Return every row, its values as the source has them."""
        match one.table:
            case "call":
                yield from self._calls()
            case "asked":
                yield from self._asked()
            case "inbox":
                yield from map(_waiting, self._waiting())
            case _:
                yield from self._select(str(one.select))

    def _select(self, sql: str) -> Iterator[Sequence[Any]]:
        with closing(self._db.execute(sql)) as found:
            while page := found.fetchmany(_PAGE):
                yield from page

    def _calls(self) -> Iterator[Sequence[Any]]:
        for number, source, call_id, *rest in self._select(_CALLS):
            yield (number, share_of(source, call_id), source, call_id, *rest)

    def _asked(self) -> Iterator[Sequence[Any]]:
        at = 0
        while page := self._commands.after(at, _PAGE):
            for command in page:
                arguments = json.dumps(dict(command.arguments), ensure_ascii=False)
                yield (command.id, command.at, command.who, command.action, arguments)
            at = page[-1].id

    def _waiting(self) -> Iterator[Entry]:
        cursors = dict(self._cursors)
        while page := self._inbox.read(cursors, _PAGE):
            yield from page
            cursors.update({entry.segment: entry.id for entry in page})
        if problems := self._inbox.problems():
            raise StoreError(f"{problems[0]}; nothing was moved")


def _waiting(entry: Entry) -> Sequence[Any]:
    faults = json.dumps([[fault.path, fault.text] for fault in entry.faults]) if entry.faults else None
    try:
        call_id = "" if entry.faults else read(entry.body, entry.source, entry.received_at).call_id
    except InvalidEvent:
        # Whoever routes it says why it cannot be, and that may be any node.
        call_id = ""
    return (share_of(entry.source, call_id), entry.received_at, entry.source, entry.remote, faults, entry.body)
