"""Carries out what operators asked for, inside the worker's own transaction, in the order it was recorded."""

from __future__ import annotations

from collections.abc import Callable

from router.commands import Command, CommandFile
from router.config import Config
from router.logs import Log
from router.store import Store
from router.worker.routing import Routed, Routing

#: The name under which the store remembers how far the file of commands has been read.
CURSOR = "commands"


class Orders:
    """Knows every action of a recorded command."""

    def __init__(self, store: Store, routing: Routing, config: Config, log: Log) -> None:
        self._store = store
        self._routing = routing
        self._config = config
        self._log = log
        self.readmitted: list[Routed] = []
        #: Destinations to which nothing more is to be begun of what the senders have.
        self.recalled: list[str] = []
        self._actions: dict[str, Callable[[Command, float], str]] = {
            "replay": self._replay,
            "pause": self._pause,
            "resume": self._resume,
            "give-up": self._give_up,
            "readmit": self._readmit,
        }

    def obey(self, commands: CommandFile, position: int, now: float) -> int:
        """Carry out what was recorded after *position*, inside the open transaction; return the new position."""
        for command in commands.after(position):
            self.carry_out(command, now)
            position = command.id
            self._store.move_cursor(CURSOR, position)
        return position

    def carry_out(self, command: Command, now: float) -> None:
        """Do what *command* says; an action this version does not know is reported and skipped."""
        action = self._actions.get(command.action)
        if action is None:
            text = f'command {command.id} asks for "{command.action}", which this version does not know; skipped'
            self._log.add("operator", text, level="warning")
            return
        self._log.add("operator", f"{command.who}: {action(command, now)}", command=command.id)

    def _replay(self, command: Command, now: float) -> str:
        asked = [int(number) for number in command.arguments["deliveries"]]
        done = self._store.replay(asked, now)
        left = f", {len(asked) - done} left alone because they are not finished" if done < len(asked) else ""
        return f"replaying {done} deliveries{left}"

    def _pause(self, command: Command, now: float) -> str:
        name = str(command.arguments["destination"])
        destination = self._config.destinations.get(name)
        reason = str(command.arguments.get("reason") or f"paused by {command.who}")
        # An operator's own pause does not end with a change of settings: its fingerprint is never a real one.
        self._store.pause(name, reason, "", now)
        self.recalled.append(name)
        return f"paused {name}" + ("" if destination else " (it is not in the configuration)")

    def _resume(self, command: Command, now: float) -> str:
        name = str(command.arguments["destination"])
        self._store.resume(name, now)
        return f"resumed {name}"

    def _give_up(self, command: Command, now: float) -> str:
        name = str(command.arguments["destination"])
        count = self._store.give_up(name, now)
        self.recalled.append(name)
        return f"moved {count} unfinished deliveries to {name} to the dead letters"

    def _readmit(self, command: Command, now: float) -> str:
        asked = [int(number) for number in command.arguments["quarantined"]]
        routed = [self._routing.readmit(number, now) for number in asked]
        done = [one for one in routed if one is not None]
        self.readmitted += done
        left = f", {len(asked) - len(done)} are still not valid for their source" if len(done) < len(asked) else ""
        return f"re-admitted {len(done)} refused events{left}"
