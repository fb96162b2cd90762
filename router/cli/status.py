"""How things stand, and what to do about it."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from router.cli import options, screen
from router.cli.screen import Cell, Column
from router.errors import ConfigError
from router.units import spell

if TYPE_CHECKING:
    from router.config.model import Config
    from router.status import DestinationStatus, Findings, Process, Status


@click.command("status", epilog=options.exits(done="all is well", no="something needs a person", store=False))
@options.config_option
@options.json_option("one JSON document")
def command(config_path: Path, as_json: bool) -> int:
    """Say how things stand, and what to do about it.

    The first line is the verdict. Then come the processes, the last event of each source, every destination with what
    waits for it, the inbox, the disk and the clock; and at the end one numbered line with the exact command for
    each thing that is wrong.

    Works while the daemon is stopped: everything is read from disk.
    """
    from router.status import gather

    try:
        config = options.load_to_look(config_path)
    except ConfigError:
        _tell_what_goes_on(config_path)
        raise
    status = gather(config, time.time())
    if as_json:
        screen.emit(_document(status))
    else:
        _show(status, config)
    return 0 if status.well else 3


def _tell_what_goes_on(config_path: Path) -> None:
    """Say beside the mistakes of a configuration that the daemon still runs with what it has read before."""
    from router.config.folder import data_folder
    from router.status import command as spelled
    from router.status import daemons

    todo = f"Mend the file to see more, or ask: {spelled('doctor', config_path)}"
    if not config_path.exists():
        todo = "Put the file back to see more"
    for daemon in (one for one in daemons(data_folder(config_path)) if one.alive):
        going_on = f"goes on with version {daemon.config_version}, which it has read before"
        screen.talk(f"callrouter runs (pid {daemon.pid}) and {going_on}. {todo}")


def _show(status: Status, config: Config) -> None:
    found = status.found
    screen.say(_verdict(status))
    screen.say()
    _daemons(found)
    screen.say()
    _sources(found)
    screen.say()
    _destinations(found)
    screen.say()
    _alerts(found, config)
    screen.say()
    _machine(found, config)
    if status.troubles:
        screen.say()
        screen.say("What to do")
        for number, trouble in enumerate(status.troubles, 1):
            screen.paragraph(f"{number:>3}. {_sentence(trouble.what)} {trouble.todo}", hanging=5)
            if trouble.command:
                screen.say(f"       {trouble.command}")


def _sentence(text: str) -> str:
    # Our own name begins with a small letter everywhere.
    first = text[:1] if text.startswith("callrouter") else text[:1].upper()
    return first + text[1:].rstrip(".") + "."


def _verdict(status: Status) -> str:
    wrong = [trouble for trouble in status.troubles if trouble.level != "note"]
    if not wrong:
        return screen.paint("All is well.", "green") + " Nothing is overdue, nothing is refused, nothing is dead."
    worst = "red" if wrong[0].level == "broken" else "yellow"
    things = "1 thing needs you" if len(wrong) == 1 else f"{len(wrong)} things need you"
    more = f", and {len(wrong) - 1} more below" if len(wrong) > 1 else ""
    return screen.paint(f"{things}:", worst) + f" {screen.safe(wrong[0].what).rstrip('.')}{more}."


def _daemons(found: Findings) -> None:
    living = [daemon for daemon in found.daemons if daemon.alive]
    if not living:
        killed = [
            f"; the last one, started {screen.age(one.started_at, found.now)}, was killed" for one in found.daemons
        ]
        never = "" if found.ever_ran else f"; none has ever run on {found.data}"
        screen.say("Daemon        stopped" + ("".join(killed) or never))
    for daemon in living:
        role = "" if len(daemon.roles) > 1 else {"ingest": " (receives)", "worker": " (delivers)"}[daemon.roles[0]]
        screen.say(f"Daemon        running for {_for(daemon.started_at, found.now)}, pid {daemon.pid}{role}")
        open_ = {"call events on": daemon.listen, "metrics and health on": daemon.admin}
        screen.say("              " + ", ".join(f"{what} {address}" for what, address in open_.items() if address))
        screen.say(f"              version {daemon.config_version} of {daemon.config}")
        columns = [
            Column("process"),
            Column("state"),
            Column("pid", right=True),
            Column("up"),
            Column("restarts", right=True),
        ]
        rows = [_process(process, found.now) for process in daemon.processes]
        screen.table([*columns, Column("last exit", fold=True)], rows, indent=14)


def _for(since: float | None, now: float) -> str:
    return screen.age(since, now).removesuffix(" ago")


def _process(process: Process, now: float) -> list[Cell]:
    up = _for(process.started_at, now) if process.alive else ""
    return [
        process.name,
        (process.state, "green") if process.alive else ("down", "red"),
        str(process.pid or ""),
        up,
        str(process.restarts),
        process.last_exit or "",
    ]


#: In place of what only the store could say.
_UNKNOWN = "not known: the store cannot be read"


def _sources(found: Findings) -> None:
    if found.store_error:
        screen.say(f"Last event    {_UNKNOWN}")
        return
    heard = [
        f"nothing from {name} yet" if at is None else f"from {name} {screen.age(at, found.now)}"
        for name, at in found.sources.items()
    ]
    screen.say("Last event    " + ", ".join(heard))


def _destinations(found: Findings) -> None:
    if found.store_error:
        screen.say(f"Deliveries    {_UNKNOWN}")
        return
    overdue = [one for one in found.destinations if one.overdue_since is not None]
    oldest = min(overdue, key=lambda one: one.overdue_since or 0, default=None)
    waits = "nothing is overdue"
    if oldest:
        waits = f"the longest overdue is for {oldest.name}, due {screen.age(oldest.overdue_since, found.now)}"
    screen.say(f"Deliveries    {waits}")
    columns = [Column("destination"), Column("waiting", right=True), Column("due"), Column("dead", right=True)]
    rows: list[list[Cell]] = []
    for one in found.destinations:
        due = "" if one.overdue_since is None else screen.age(one.overdue_since, found.now)
        dead: Cell = (f"{one.dead:,}", "red") if one.dead else "0"
        rows.append([one.name, f"{one.waiting:,}", due, dead, _standing(one, found)])
    if rows:
        screen.table([*columns, Column("standing", fold=True)], rows, indent=14)


def _standing(one: DestinationStatus, found: Findings) -> Cell:
    held = f", {one.held:,} held behind a dead letter" if one.held else ""
    if one.type is None:
        return f"not in {found.config.name}", "yellow"
    if one.disabled:
        return f"disabled: {one.disabled}", "dim"
    if one.paused_at is not None:
        return f"paused {screen.age(one.paused_at, found.now)}: {one.paused_reason}{held}", "yellow"
    if one.drained_at is not None:
        return f"draining {screen.age(one.drained_at, found.now)}: {one.drain_reason}{held}", "yellow"
    if one.breaker is not None:
        failing = f"breaker {one.breaker.state}, since {screen.age(one.breaker.open_since, found.now)}"
        return f"{failing}: {one.breaker.reason}{held}", "yellow"
    if one.closed:
        opens = "not in the next two years" if one.opens_at is None else f"in {spell(round(one.opens_at - found.now))}"
        return f"closed, opens {opens}{held}", "dim"
    again = f", trying again: {one.retry_reason}" if one.retry_reason else ""
    return f"on{held}{again}", "yellow" if held or again else "green"


def _alerts(found: Findings, config: Config) -> None:
    off = [f"{name} (disabled: {why})" if why else name for name, why in found.alerts_to.items()]
    screen.say("Alerts        " + (f"to {', '.join(off)}" if off else "none: nobody is told"))
    for one in found.alerts:
        told = ", ".join(f"{name} {state}" for name, state in one.told.items()) or "nobody is told"
        at = screen.when(one.made_at, config.timezone, found.now)
        screen.paragraph(f"              {at}  {screen.safe(one.sentence)} ({told})", hanging=16)


def _machine(found: Findings, config: Config) -> None:
    inbox, disk = found.inbox, found.disk
    segments = screen.count(inbox.segments, "segment")
    unrouted = screen.count(inbox.unrouted, "event") + " to route" if inbox.unrouted else "nothing to route"
    screen.say(f"Inbox         {unrouted}; {segments}, {screen.size(inbox.bytes)}")
    oldest = (
        ""
        if found.oldest_event_at is None
        else f"; the oldest event is from {screen.age(found.oldest_event_at, found.now)}"
    )
    screen.say(f"Store         {screen.size(disk.store)}, write-ahead log {screen.size(disk.wal)}{oldest}")
    lately = f"{screen.count(found.refused_lately, 'event')} in the last day" if found.refused_lately else "none today"
    screen.say(f"Refused       {_UNKNOWN if found.store_error else lately}")
    share = 100 * disk.free / disk.total if disk.total else 0
    screen.say(f"Disk          {screen.size(disk.free)} free of {screen.size(disk.total)} ({share:.0f} %)")
    screen.say(f"Clock         {screen.moment_in_full(found.now, config.timezone, found.now).removesuffix(' (now)')}")


def _document(status: Status) -> dict[str, Any]:
    document = asdict(status.found)
    document |= {"receiving": status.found.receiving, "delivering": status.found.delivering}
    document = {"well": status.well, **_with_times(document)}
    document["troubles"] = [asdict(trouble) for trouble in status.troubles]
    return document


def _with_times(value: Any, key: str = "") -> Any:
    """Moments as ISO 8601 in UTC, like everywhere else in our JSON; they are told by their names."""
    if isinstance(value, dict):
        if key == "sources":
            return {name: screen.stamp(at) for name, at in value.items()}
        return {name: _with_times(inner, name) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_times(inner) for inner in value]
    if key == "now" or key.endswith(("_at", "_since")):
        return screen.stamp(value)
    return str(value) if isinstance(value, Path) else value
