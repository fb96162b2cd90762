"""Use config.yaml as it is now, without a restart."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.cli import options, screen
from router.errors import RouterError

if TYPE_CHECKING:
    from router.reload.answer import Answer
    from router.status import Daemon

_PARTS: dict[tuple[str, ...], str] = {("ingest",): "the part that receives", ("worker",): "the part that delivers"}


@click.command("reload", epilog=options.exits(done="the configuration is in use", store=False))
@options.config_option
@options.json_option("one JSON document")
def command(config_path: Path, as_json: bool) -> int:
    """Use config.yaml as it is now, without a restart.

    The running daemon proves the file first. A wrong one changes nothing: what is wrong with it is printed in the words
    of callrouter check. Otherwise all of its processes move to it together, and no event is refused meanwhile. What
    waits is sent with the new settings. Keys that need a restart are named.

    Removing a destination for which deliveries wait is refused; callrouter give-up makes them dead letters.
    """
    from router.config.folder import data_folder
    from router.status import daemons

    data = data_folder(config_path)
    # What delivers first: it may refuse what the other would take.
    living = sorted((one for one in daemons(data) if one.alive), key=lambda one: "worker" not in one.roles)
    if not living:
        # A wrong file is what to mend first.
        options.load_to_look(config_path)
        raise RouterError(
            f"no callrouter runs on {data}; start it with callrouter run. (One that was started with another "
            "store: keeps to that one until it is restarted.)"
        )
    asked = _ask(living, data)
    if as_json:
        screen.emit({"ok": all(one is not None and one.ok for _, one in asked), "daemons": list(map(_document, asked))})
    else:
        for daemon, said in asked:
            _show(daemon, said)
    refused = [said for _, said in asked if said is not None and not said.ok]
    if not refused:
        return 0
    return 2 if refused[0].problems else 1


def _ask(living: list[Daemon], data: Path) -> list[tuple[Daemon, Answer | None]]:
    """Return what each daemon answers; None for one that was not asked because another refused."""
    from router.reload import answer
    from router.status import daemons

    asked: list[tuple[Daemon, Answer | None]] = []
    for daemon in living:
        if any(said is not None and not said.ok for _, said in asked):
            asked.append((daemon, None))
            continue

        def alive(pid: int = daemon.pid) -> bool:
            return any(one.alive and one.pid == pid for one in daemons(data))

        asked.append((daemon, answer.ask(answer.path(data, daemon.roles), daemon.pid, alive)))
    return asked


def _show(daemon: Daemon, said: Answer | None) -> None:
    from router.config.report import render

    part = _PARTS.get(daemon.roles)
    who = f"{part}: " if part else ""
    if said is None:
        screen.talk(f"{who}not asked; version {daemon.config_version} goes on.")
        return
    if said.problems:
        screen.talk(render(said.problems, screen.colour(err=True)))
    if not said.ok:
        why = "" if said.problems else f" {said.text}."
        screen.talk(f"{who}{said.config} was refused.{why} Nothing has changed: version {said.version} goes on.")
        return
    screen.say(f"{who}{said.text.splitlines()[-1]}.")


def _document(asked: tuple[Daemon, Answer | None]) -> dict[str, Any]:
    daemon, said = asked
    document: dict[str, Any] = {"roles": list(daemon.roles), "pid": daemon.pid, "asked": said is not None}
    if said is None:
        return {**document, "version": daemon.config_version}
    return {
        **document,
        "ok": said.ok,
        "at": screen.stamp(said.at),
        "version": said.version,
        "text": said.text,
        "problems": [asdict(problem) for problem in said.problems],
        "restart": list(said.restart),
    }
