"""Appends one line of JSON per call event to a file: https://jsonlines.org."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from router.plugin import Delivery, DestinationUnusable, Plugin, Settings, TemporaryFailure, setting

#: What only an operator can mend; everything else (a full disk above all) may pass by itself.
_FOR_THE_OPERATOR = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
}


class FileSettings(Settings):
    """Keys of a ``type: file`` destination."""

    path: Path = setting(
        "The file to append to. It and its folder are made when they are missing; a relative path starts beside "
        "config.yaml.",
        example="data/archive.jsonl",
    )


class File(Plugin[FileSettings]):
    """Keeps every event on disk for other programs."""

    type = "file"
    Settings = FileSettings
    # Programs that read the file expect a call's events in order.
    order = "call"

    def deliver(self, delivery: Delivery) -> None:
        try:
            with _opened(self.settings.path) as descriptor:
                _append(descriptor, _line(delivery))
                os.fsync(descriptor)
        except OSError as ex:
            reason = f"{self.settings.path} cannot be written: {ex.strerror}"
            failure = DestinationUnusable if ex.errno in _FOR_THE_OPERATOR else TemporaryFailure
        else:
            return
        raise failure(reason)


def _line(delivery: Delivery) -> bytes:
    received_at = datetime.fromtimestamp(delivery.accepted_at, UTC).isoformat(timespec="milliseconds")
    head = {
        "received_at": received_at.replace("+00:00", "Z"),
        "source": delivery.event.get("source"),
        "key": delivery.key,
        "rule": delivery.rule,
        "facts": dict(delivery.facts),
    }
    # The sender's own JSON, untouched but for line ends: inside a JSON text those can only be space between tokens.
    event = delivery.body.replace(b"\r", b" ").replace(b"\n", b" ").strip()
    return json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "event": ' + event + b"}\n"


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open *path* anew for each line, so that whoever rotates it needs to tell nobody."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        if is_new:
            _sync_folder(path.parent)
        yield descriptor
    finally:
        os.close(descriptor)


def _append(descriptor: int, line: bytes) -> None:
    """Write *line* whole or not at all, however many senders append and whatever was left by a crash."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        end = os.fstat(descriptor).st_size
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            line = b"\n" + line
        if os.write(descriptor, line) < len(line):  # the disk is full
            os.ftruncate(descriptor, end)
            raise OSError(errno.ENOSPC, "No space left on device")
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
