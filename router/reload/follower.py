"""A process's part in a reload: it holds the configuration in use, and the one that may follow."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from router.config import Config, load
from router.config.files import Snapshot
from router.errors import ConfigError, RouterError
from router.reload.fixed import keeping
from router.reload.link import Link, Message

log = logging.getLogger("callrouter.reload")


def _nothing(*_: object) -> None:
    return


class Follower:
    """Does what the supervisor says over *link*. ``config`` is what is in use now, exchanged in one assignment.

    *use* is called with a configuration and the number of its reload before it becomes ``config``; where it raises a
    RouterError, this process refuses, and ``config`` stays. *done* is called once every other process has followed.
    """

    def __init__(
        self,
        link: Link,
        config: Config,
        *,
        number: int = 0,
        use: Callable[[Config, int], None] = _nothing,
        done: Callable[[], None] = _nothing,
    ) -> None:
        self.config = config
        self.number = number
        self._link = link
        self._use = use
        self._done = done
        self._prepared: tuple[int, Config] | None = None

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to ``hear``."""
        return self._link.fileno()

    def catch_up(self) -> None:
        """Ask for the configuration in use, in a process that may have been made with an earlier one."""
        self._link.send(Message("hello", self.number, asker=os.getpid()))
        while (message := self._link.receive()) is not None:
            # Whatever comes before was meant for a predecessor on the same link.
            if message.kind == "current" and message.asker == os.getpid():
                if message.snapshot is not None:
                    self.config, self.number = self._made(message.snapshot), message.number
                return

    def hear(self) -> bool:
        """Wait for one message and do what it says; return False when the supervisor is gone."""
        message = self._link.receive()
        if message is None:
            return False
        try:
            answer = self._answer(message)
            if answer is not None:
                self._link.send(answer)
        except OSError:
            # The supervisor does not listen any more: it has ended, and this process soon does.
            return False
        return True

    def follow(self, gone: Callable[[], None]) -> None:
        """Hear everything from now on, in a thread of its own; call *gone* once there is nobody to follow."""

        def listen() -> None:
            while self.hear():
                pass
            gone()

        threading.Thread(target=listen, name="reload", daemon=True).start()

    def _answer(self, message: Message) -> Message | None:
        match message.kind:
            case "prepare" if message.snapshot is not None:
                return self._prepare(message.number, message.snapshot)
            case "commit":
                return self._commit(message.number)
            case "abort":
                self._prepared = None
            case "done":
                self._done()
        return None

    def _prepare(self, number: int, snapshot: Snapshot) -> Message:
        try:
            self._prepared = (number, self._made(snapshot))
        # Whatever it is, it must reach the supervisor, which then leaves everything as it was.
        except Exception as ex:  # noqa: BLE001 - see above
            return _refusal(number, ex)
        return Message("ready", number)

    def _commit(self, number: int) -> Message:
        if self._prepared is None or self._prepared[0] != number:
            return Message("refused", number, why="it was not prepared for this reload")
        config, self._prepared = self._prepared[1], None
        try:
            self._use(config, number)
        except Exception as ex:  # noqa: BLE001 - as in _prepare
            return _refusal(number, ex)
        self.config, self.number = config, number
        return Message("committed", number)

    def _made(self, snapshot: Snapshot) -> Config:
        return keeping(load(self.config.path, snapshot=snapshot), self.config)


def _refusal(number: int, ex: Exception) -> Message:
    if isinstance(ex, ConfigError):
        return Message("refused", number, problems=ex.problems)
    if isinstance(ex, RouterError):
        return Message("refused", number, why=str(ex))
    log.error("a reload failed, which is a mistake in callrouter", exc_info=ex)
    return Message("refused", number, why=f"a mistake in callrouter ({type(ex).__name__}: {ex})")
