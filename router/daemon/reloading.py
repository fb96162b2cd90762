"""A reload, from SIGHUP to the answer: the file is proved, the processes are led, and it is said what came of it."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Collection
from typing import Protocol

from router import clock
from router.config import Config, load, render
from router.daemon.parts import Wiring
from router.daemon.preparation import WORKER
from router.daemon.state import StateFile
from router.errors import ConfigError, Problem, StoreError
from router.logs import Log
from router.reload import answer, fixed
from router.reload.answer import Answer
from router.reload.link import answer_hello
from router.reload.phases import Move, Refused
from router.worker.fitting import decided


class Processes(Protocol):
    """What a reload needs of the supervisor."""

    @property
    def stopping_now(self) -> bool:
        """Whether the daemon has been told to stop."""

    def kill(self, name: str) -> None:
        """End one process at once; it is started again."""


class Reloading:
    """Moves a running daemon to what its file says now."""

    def __init__(self, wiring: Wiring, state: StateFile, log: Log, roles: Collection[str]) -> None:
        self._wiring, self._state, self._log = wiring, state, log
        self._decides = WORKER if WORKER in roles else None
        self._answers = answer.path(wiring.config.data, sorted(roles))

    def hear(self, name: str) -> None:
        """Answer a process that asks which configuration is in use."""
        link = self._wiring.links.get(name)
        if link is None:
            return
        try:
            message = link.receive()
        except BlockingIOError:
            return
        if message is None:
            # It is ending; its part lets go of the link as well, and gives its successor another.
            self._wiring.links.pop(name).close()
        elif message.kind == "hello":
            with contextlib.suppress(OSError):
                answer_hello(link, message, self._wiring.number, lambda: self._wiring.config.snapshot)

    def reload(self, processes: Processes) -> None:
        """Move every process to what the file says now, or none; log it, count it and write the answer."""
        began, path = time.monotonic(), self._wiring.config.path
        problems: tuple[Problem, ...] = ()
        restart: tuple[str, ...] = ()
        try:
            new, running = load(path), self._wiring.config
            config = fixed.keeping(new, running)
            self._move(config, processes)
        except ConfigError as ex:
            ok, problems, text = False, ex.problems, render(ex.problems)
        except Refused as ex:
            ok, problems, text = False, ex.problems, render(ex.problems) if ex.problems else str(ex)
        # A daemon must not end because it could not change.
        except Exception as ex:
            logging.getLogger("callrouter.reload").exception("A reload failed, which is a mistake in callrouter.")
            ok, text = False, f"a mistake in callrouter ({type(ex).__name__}: {ex})"
        else:
            ok, problems, restart = True, new.warnings, fixed.waits_for_restart(new, running)
            text = self._use(config, restart)
        self._say(Answer(os.getpid(), clock.now(), began, ok, str(path), self._wiring.config.version, text,
                         problems, restart))  # fmt: skip

    def _move(self, config: Config, processes: Processes) -> None:
        wiring = self._wiring
        number = time.time_ns()
        Move(
            number,
            config.snapshot,
            before=(wiring.number, wiring.config.snapshot),
            links=dict(wiring.links),
            end=processes.kill,
            decides=self._decides,
            decided=self._has_decided,
            stopping=lambda: processes.stopping_now,
        ).run()
        wiring.number, wiring.config = number, config

    def _has_decided(self, number: int) -> bool:
        try:
            return decided(self._wiring.config, number)
        except StoreError as ex:
            self._log.say("reload", f"{ex}; the version before goes on", level="error")
            return False

    def _use(self, config: Config, restart: tuple[str, ...]) -> str:
        try:
            self._state.use(config, restart)
        except OSError as ex:
            self._log.say("reload", f"status shows the version before: {ex.strerror}", level="error")
        text = f"{config.path} is in use (version {config.version})"
        if restart:
            text += f"; {fixed.said(restart)}"
        return f"{render(config.warnings)}\n{text}" if config.warnings else text

    def _say(self, said: Answer) -> None:
        self._wiring.metrics.reloaded(applied=said.ok)
        if said.ok:
            self._log.say("reload", said.text, level="warning" if said.problems or said.restart else "info")
        else:
            kept = f"version {said.version} goes on, nothing has changed"
            self._log.say("reload", f"refused; {kept}:\n{said.text}", level="error")
        try:
            answer.write(self._answers, said)
        except OSError as ex:
            self._log.say("reload", f"{self._answers} cannot be written: {ex.strerror}", level="error")
