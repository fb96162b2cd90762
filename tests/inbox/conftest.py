"""Writers and readers on real folders, closed when the test is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from router.inbox import NewEntry
from router.inbox.reader import InboxReader
from router.inbox.writer import InboxWriter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


@pytest.fixture
def open_writer(folder: Path) -> Iterator[Callable[..., InboxWriter]]:
    opened: list[InboxWriter] = []

    def open_one(**options: Any) -> InboxWriter:
        opened.append(InboxWriter(folder, **options))
        return opened[-1]

    yield open_one
    for writer in opened:
        writer.close()


@pytest.fixture
def writer(open_writer: Callable[..., InboxWriter]) -> InboxWriter:
    return open_writer()


@pytest.fixture
def open_reader(folder: Path) -> Iterator[Callable[[], InboxReader]]:
    opened: list[InboxReader] = []

    def open_one() -> InboxReader:
        opened.append(InboxReader(folder))
        return opened[-1]

    yield open_one
    for reader in opened:
        reader.close()


@pytest.fixture
def reader(open_reader: Callable[[], InboxReader]) -> InboxReader:
    return open_reader()


@pytest.fixture
def entry() -> Callable[..., NewEntry]:
    def make(body: bytes | str = b"{}", received_at: float = 1.0, **changes: Any) -> NewEntry:
        values = {"source": "wavix", "remote": "192.0.2.7"} | changes
        return NewEntry(body=body if isinstance(body, bytes) else body.encode(), received_at=received_at, **values)

    return make


@pytest.fixture
def append(entry: Callable[..., NewEntry]) -> Callable[..., None]:
    """Append bodies one after the other, each with the time of receipt that is its place."""

    def append_all(writer: InboxWriter, *bodies: str, start: float = 1.0) -> None:
        async def run() -> None:
            for place, body in enumerate(bodies):
                await writer.append(entry(body, start + place))

        asyncio.run(run())

    return append_all
