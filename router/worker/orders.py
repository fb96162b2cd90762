"""Carries out what operators asked for, inside the worker's own transactions, and records what came of it.

What is done at once (a pause, a silence) is done as soon as it is read. What may take long is begun then, and
goes on turn after turn, one such command after the other, in the order they were recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from router import clock
from router.commands import Command, Commands
from router.config import Config
from router.errors import StoreError
from router.logs import Log
from router.store import CommandRow, SilenceRow, Store
from router.worker.errands import Errand, Errands
from router.worker.routing import Routed, Routing

#: The name under which the store remembers how far the file of commands has been read.
CURSOR = "commands"
#: Seconds of one turn that go to commands that take long.
SLICE = 0.02


class Orders:
    """Knows every action of a recorded command."""

    def __init__(
        self,
        store: Store,
        routing: Routing,
        config: Config,
        log: Log,
        commands: Commands,
        *,
        daemon: float | None = None,
    ) -> None:
        """Work for the daemon that ``data/daemon.json`` says was started at *daemon*; None: for one yet to start."""
        self._store = store
        self._routing = routing
        self._config = config
        self._log = log
        self._commands = commands
        self._daemon = daemon
        self._errands = Errands(store, routing)
        #: What is under way, by id; None: the store knows.
        self._under_way: list[Errand] | None = None
        self._wanted_to_end = False
        #: Destinations to which nothing more is to be begun of what the senders have.
        self.recalled: list[str] = []
        self._at_once: dict[str, Callable[[Command, float], str]] = {
            "pause": self._pause,
            "resume": self._resume,
            "drain": self._drain,
            "silence": self._silence,
            "silence-end": self._silence_end,
        }

    @property
    def busy(self) -> bool:
        """Whether a command is under way."""
        return bool(self._waiting())

    def obey(self, position: int, now: float) -> int:
        """Carry out or begin what was recorded after *position*, in the open transaction; return the new position."""
        for command in self._commands.after(position):
            self._begin(command, now)
            position = command.id
            self._store.move_cursor(CURSOR, position)
        return position

    def watch(self, position: int, upto: int) -> int:
        """Take in what another node has carried out, from *position* to *upto*, as far as it is about this one."""
        while position < upto:
            commands = [command for command in self._commands.after(position) if command.id <= upto]
            if not commands:
                return upto
            for command in commands:
                self._routing.operators_changed()
                if command.action in ("pause", "give-up"):
                    self.recalled.append(str(command.arguments["destination"]))
                elif command.action == "drain" and command.arguments.get("destination") is None:
                    self._wanted_to_end |= self._is_meant(command)
            position = commands[-1].id
        return position

    def go_on(self, now: float) -> list[Routed]:
        """Take steps of what is under way, for ``SLICE`` seconds, in the open transaction; return what was taken in."""
        until = time.monotonic() + SLICE
        while waiting := self._waiting():
            one = waiting[0]
            result = None
            while result is None:
                result = self._tried(self._errands.actions[one.command.action], one, now)
                if time.monotonic() >= until:
                    break
            if result is None:
                self._store.note_command(one.row())
                break
            self._end(one.command, one.row(now, result))
            waiting.pop(0)
        taken, self._errands.readmitted = self._errands.readmitted, []
        return taken

    def take_end(self) -> bool:
        """Return whether an operator wants the daemon to end; True once."""
        wanted, self._wanted_to_end = self._wanted_to_end, False
        return wanted

    def forget(self) -> None:
        """Ask the store again: the transaction was undone."""
        self._under_way = None
        self._wanted_to_end = False
        self._errands.readmitted = []

    def hurry(self, turn: Callable[[], object], wanted: Callable[[], object], seconds: float) -> None:
        """Take *turn* after *turn* while commands are under way and *wanted* says so, for at most *seconds*."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.busy and wanted():
            turn()

    def _begin(self, command: Command, now: float) -> None:
        if command.action in self._at_once:
            result = self._tried(self._at_once[command.action], command, now)
        elif command.action in self._errands.actions:
            self._waiting().append(Errand(command, now))
            self._store.note_command(CommandRow(command.id, now))
            if command.action == "give-up":
                self.recalled.append(str(command.arguments["destination"]))
            return
        else:
            result = f'left alone: this version does not know "{command.action}"'
        self._end(command, CommandRow(command.id, now, now, result))

    def _end(self, command: Command, row: CommandRow) -> None:
        self._store.note_command(row)
        self._log.add("operator", f"{command.who}: {row.result}", command=command.id)

    def _tried(self, action: Callable[[Any, float], str | None], asked: Command | Errand, now: float) -> str | None:
        try:
            return action(asked, now)
        except StoreError:
            raise
        except (LookupError, TypeError, ValueError) as ex:
            # Another version may have recorded it; nobody else is to wait for it.
            return f"ended early: this version does not understand what was recorded ({type(ex).__name__}: {ex})"

    def _waiting(self) -> list[Errand]:
        if self._under_way is None:
            self._under_way = []
            for row in self._store.commands_under_way():
                found = self._commands.after(row.id - 1, 1)
                if found and found[0].id == row.id and found[0].action in self._errands.actions:
                    self._under_way.append(Errand(found[0], row.began_at, dict(row.progress)))
                else:
                    gone = "ended early: its record is gone, or is not one of this version"
                    self._store.note_command(CommandRow(row.id, row.began_at, clock.now(), gone, row.progress))
        return self._under_way

    # At once ---------------------------------------------------------------------------------------------

    def _pause(self, command: Command, now: float) -> str:
        name = str(command.arguments["destination"])
        reason = str(command.arguments.get("reason") or f"paused by {command.who}")
        # An operator's own pause does not end with a change of settings: its fingerprint is never a real one.
        self._store.pause(name, reason, "", now)
        self.recalled.append(name)
        return f"paused {name}{self._elsewhere(name)}"

    def _resume(self, command: Command, now: float) -> str:
        name = str(command.arguments["destination"])
        self._store.resume(name, now)
        self._routing.operators_changed()
        return f"resumed {name}{self._elsewhere(name)}"

    def _drain(self, command: Command, now: float) -> str:
        name = command.arguments.get("destination")
        if name is None:
            if not self._is_meant(command):
                return "left alone: this daemon was started after it was asked for"
            self._wanted_to_end = True
            return "ending: nothing new is attempted, and what is in flight is finished"
        reason = str(command.arguments.get("reason") or f"drained by {command.who}")
        self._store.drain(str(name), reason, now)
        self._routing.operators_changed()
        return f"draining {name}: it takes nothing new{self._elsewhere(str(name))}"

    def _is_meant(self, command: Command) -> bool:
        # Not by the clock: the process that reads this may be younger than the daemon that was to end.
        return self._daemon is not None and self._daemon in command.arguments.get("daemons", ())

    def _silence(self, command: Command, now: float) -> str:
        arguments = command.arguments
        matchers = tuple(map(str, arguments["matchers"]))
        ends_at = float(arguments["until"])
        if ends_at <= now:
            return "left alone: its end had passed before the daemon read it"
        row = SilenceRow(command.id, matchers, str(arguments["why"]), command.who, now, ends_at)
        self._store.silence(row)
        self._routing.operators_changed()
        return f"silence {command.id} has begun: {' '.join(matchers)}"

    def _silence_end(self, command: Command, now: float) -> str:
        number = int(command.arguments["silence"])
        if not self._store.end_silence(number, command.who, now):
            return f"left alone: silence {number} had ended"
        self._routing.operators_changed()
        return f"ended silence {number}"

    def _elsewhere(self, name: str) -> str:
        return "" if name in self._config.destinations else " (it is not in the configuration)"
