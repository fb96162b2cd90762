"""Which attempts a sender process has begun, in memory that outlives it: after a crash the worker knows whom it hit.

One slot for each attempt, from its beginning until its outcome is on the way to the worker. A few microseconds an
attempt.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections import deque
from collections.abc import Iterable
from enum import IntEnum

#: Delivery, attempt, stage: in this order, so that a slot counts only once it is complete.
_SLOT = struct.Struct("<qiI")
_SLOTS = 16_384
_SIZE = _SLOT.size * (_SLOTS + 1)
#: In the last slot once there were too few.
_TOO_MANY = 1


class Stage(IntEnum):
    """How far an attempt has come."""

    UNDER_WAY = 1
    #: Over, and its outcome not with the worker yet.
    OVER = 2


def memory() -> int:
    """Return the descriptor of new memory, to be shared by one sender process and the worker."""
    descriptor = os.memfd_create("begun", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, _SIZE)
    return descriptor


class Begun:
    """Both sides of the memory behind *descriptor*, which is closed."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _SIZE)
        os.close(descriptor)
        self._free = deque(range(_SLOTS))
        self._slots: dict[tuple[int, int], int] = {}

    def begin(self, delivery_id: int, attempt: int) -> None:
        """Note, before anything is sent, that this attempt begins."""
        try:
            slot = self._free.popleft()
        except IndexError:
            self._write(_SLOTS, 0, 0, _TOO_MANY)
            return
        self._slots[delivery_id, attempt] = slot
        self._write(slot, delivery_id, attempt, Stage.UNDER_WAY)

    def end(self, delivery_id: int, attempt: int) -> None:
        """Note that this attempt is over."""
        slot = self._slots.get((delivery_id, attempt))
        if slot is not None:
            self._write(slot, delivery_id, attempt, Stage.OVER)

    def told(self, attempts: Iterable[tuple[int, int]]) -> None:
        """Forget these attempts: the worker has their outcomes."""
        for key in attempts:
            slot = self._slots.pop(key, None)
            if slot is not None:
                self._write(slot, 0, 0, 0)
                self._free.append(slot)

    def stages(self) -> dict[tuple[int, int], Stage] | None:
        """Return (delivery, attempt) → how far it has come, for all that have begun; None where that is not known."""
        *slots, last = _SLOT.iter_unpack(self._memory[:])
        if last[2] == _TOO_MANY:
            return None
        return {(delivery, attempt): Stage(stage) for delivery, attempt, stage in slots if stage}

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()

    def _write(self, slot: int, delivery_id: int, attempt: int, stage: int) -> None:
        _SLOT.pack_into(self._memory, slot * _SLOT.size, delivery_id, attempt, stage)
