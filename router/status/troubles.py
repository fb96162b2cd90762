"""What is wrong, and the exact command for it: one entry per thing a person can do."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from router.status.model import DestinationStatus, Findings, Trouble
from router.units import spell

#: Below either of these a disk fills up before somebody has found time to look at it.
LEAST_FREE_BYTES, LEAST_FREE_SHARE = 1 << 30, 0.05
#: A due delivery is attempted within milliseconds; one that still waits after this long is being starved.
OVERDUE = 300.0
#: The same for an accepted event that has not been routed.
UNROUTED = 30.0
#: The worker says every second or so that it moves; one long step may take this long.
STUCK = 60.0
#: A clock that was set back by more than this makes due times and ages lie.
CLOCK_SKEW = 60.0

#: The reason of a pause for which nobody gave one.
BY_HAND = "paused by hand"

_LEVELS = ("broken", "attention", "note")


def troubles(found: Findings) -> tuple[Trouble, ...]:
    """Return everything that is not as it should be, the worst first."""
    everything = [
        *_of_the_daemon(found),
        *_of_the_store(found),
        *_of_the_machine(found),
        *(trouble for destination in found.destinations for trouble in _of_a_destination(destination, found)),
        *_of_events(found),
        *_worth_knowing(found),
    ]
    return tuple(sorted(everything, key=lambda trouble: _LEVELS.index(trouble.level)))


def command(words: str, config: Path) -> str:
    """Return the command line that an operator of *config* types."""
    where = "" if str(config) == "config.yaml" else f" --config {shlex.quote(str(config))}"
    return f"callrouter {words}{where}"


def _of_the_daemon(found: Findings) -> Iterator[Trouble]:
    if not found.receiving and not found.delivering:
        yield Trouble(
            "broken",
            "callrouter is not running" + ("" if found.ever_ran else " (it never has on this data)"),
            "Start it (or the service it runs as); until then no event is accepted and nothing is sent.",
            command("run", found.config),
        )
    elif not found.receiving:
        yield Trouble(
            "broken",
            "the part that receives is not running",
            "Start it (or the service it runs as); until then no event is accepted.",
            command("serve", found.config),
        )
    elif not found.delivering:
        yield Trouble(
            "broken",
            "the part that delivers is not running",
            "Start it (or the service it runs as); until then events are accepted and wait.",
            command("work", found.config),
        )
    for process in (process for daemon in found.daemons if daemon.alive for process in daemon.processes):
        if not process.alive:
            exit_ = f" (last exit: {process.last_exit})" if process.last_exit else ""
            yield Trouble(
                "broken",
                f"the process {process.name} is down{exit_}",
                f"The supervisor starts it again by itself, {process.restarts} times so far. If it stays down, the "
                "daemon's log says why.",
            )
    beat = found.worker_beat_at
    if found.delivering and beat is not None and found.now - beat > STUCK:
        yield Trouble(
            "broken",
            f"the worker has not moved for {spell(found.now - beat)}",
            "Nothing is lost. The daemon's log says what it does; if it says nothing, start the daemon again.",
        )


def _of_the_store(found: Findings) -> Iterator[Trouble]:
    if found.store_error and found.shared:
        yield Trouble(
            "broken",
            f"the database cannot be read: {found.store_error}",
            "Meanwhile events are answered 503, and their sender posts them again; nothing is sent. callrouter "
            "connects again by itself.",
            command("doctor", found.config),
        )
    elif found.store_error:
        yield Trouble(
            "broken",
            f"the store cannot be read: {found.store_error}",
            (
                'The steps are in docs/operations.md, "The store is damaged".'
                if found.store_damaged
                else f"Look at {found.data}: its owner, its rights and its disk."
            )
            + " Do not delete it: it holds what is still owed.",
            command("doctor", found.config) if found.store_damaged else f"ls -la {shlex.quote(str(found.data))}",
        )


def _of_the_machine(found: Findings) -> Iterator[Trouble]:
    disk = found.disk
    look = f"du -xh --max-depth=2 {shlex.quote(str(found.data.parent))} | sort -h | tail"
    if disk.free < disk.refuse_below:
        yield Trouble(
            "broken",
            f"events are refused: too little is free on the disk under {found.data}",
            f"Make room: {disk.refuse_below >> 20} MiB must be free (disk: refuse_below); until then every event is "
            "answered 503, and what was accepted is still delivered.",
            look,
        )
    elif disk.free < LEAST_FREE_BYTES or disk.free < LEAST_FREE_SHARE * disk.total:
        yield Trouble(
            "attention",
            f"the disk under {found.data} is nearly full: {disk.free >> 20:,} MiB are free",
            "Make room: with a full disk every event is refused with 503 (the sender tries again, for a while).",
            look,
        )
    if found.delivering and disk.ballast < disk.wanted_ballast:
        yield Trouble(
            "note",
            f"there is no ballast under {found.data}",
            "The disk was full, or has no room for it. It is made by itself once there is room: disk: ballast.",
        )
    newest = max((moment for moment in found.sources.values() if moment is not None), default=found.now)
    if newest > found.now + CLOCK_SKEW:
        yield Trouble(
            "attention",
            f"the clock was set back: the newest event is from {spell(newest - found.now)} in the future",
            "Set the clock right; due times and ages are wrong until then.",
            "timedatectl status",
        )


def _of_a_destination(where: DestinationStatus, found: Findings) -> Iterator[Trouble]:
    name = shlex.quote(where.name)
    owed = f"{where.waiting:,} deliveries wait" if where.waiting != 1 else "1 delivery waits"
    if where.type is None and where.waiting:
        yield Trouble(
            "attention",
            f'"{where.name}" is no longer in {found.config.name}, and {owed} for it',
            "Put it back (or name it in formerly: of its successor), or turn what waits into dead letters.",
            command(f"give-up {name}", found.config),
        )
    elif where.disabled and where.waiting:
        yield Trouble(
            "attention",
            f'"{where.name}" is disabled, and {owed} for it',
            f"It is disabled because {where.disabled}. Mend that and reload, or restart after setting a variable; or "
            "give up what waits.",
            command(f"give-up {name}", found.config),
        )
    if where.paused_at is not None and where.paused_by_hand:
        why = "" if where.paused_reason == BY_HAND else f": {where.paused_reason}"
        yield Trouble(
            "attention",
            f'"{where.name}" has been paused by hand for {spell(round(found.now - where.paused_at))}{why}',
            f"Once that is over, let it go on ({owed}).",
            command(f"resume {name}", found.config),
        )
    elif where.paused_at is not None:
        yield Trouble(
            "attention",
            f'"{where.name}" is paused for {spell(round(found.now - where.paused_at))}: {where.paused_reason}',
            f"Mend its settings or the other side, then let it go on ({owed}).",
            command(f"resume {name}", found.config),
        )
    elif where.breaker is not None:
        open_for = found.now - where.breaker.open_since
        yield Trouble(
            "attention" if open_for > OVERDUE else "note",
            f'"{where.name}" is left alone for {spell(round(open_for))}, because everything sent to it failed: '
            f"{where.breaker.reason}",
            f"It goes on by itself: one delivery tries every few minutes, and the others follow ({owed}).",
            command(f"deliveries --destination {name} --state ready", found.config),
        )
    elif where.overdue_since is not None and found.now - where.overdue_since > OVERDUE and found.delivering:
        yield Trouble(
            "attention",
            f'"{where.name}" is behind: a delivery is overdue by {spell(round(found.now - where.overdue_since))}',
            "See what its attempts say; if it is only slow, raise its concurrency.",
            command(f"deliveries --destination {name} --state ready", found.config),
        )
    if where.dead:
        letters = "1 dead letter" if where.dead == 1 else f"{where.dead:,} dead letters"
        yield Trouble(
            "attention",
            f'"{where.name}" has {letters}',
            f"See why with {command(f'deliveries --destination {name} --state dead', found.config)}, mend that, "
            "then send them again.",
            command(f"replay --destination {name}", found.config),
        )


def _of_events(found: Findings) -> Iterator[Trouble]:
    oldest = found.inbox.oldest_at
    if found.delivering and oldest is not None and found.now - oldest > UNROUTED:
        yield Trouble(
            "broken",
            f"the worker is behind: an accepted event has not been routed for {spell(found.now - oldest)}",
            "Nothing is lost. If this grows, the daemon's log says what holds the worker up.",
        )
    if found.refused_lately:
        refused = "1 event was" if found.refused_lately == 1 else f"{found.refused_lately:,} events were"
        yield Trouble(
            "attention",
            f"{refused} refused in the last day",
            "See what is wrong with them; once the source is mended or its validation eased, take them in with "
            f"{command('replay --rejected ID', found.config)}.",
            command("events --rejected", found.config),
        )


def _worth_knowing(found: Findings) -> Iterator[Trouble]:
    if any(daemon.alive and daemon.config_version != found.config_version for daemon in found.daemons):
        yield Trouble(
            "note",
            f"{found.config.name} has changed since the daemon read it",
            "A reload applies it, or says what is wrong with it and changes nothing.",
            command("reload", found.config),
        )
    waits = sorted({key for daemon in found.daemons if daemon.alive for key in daemon.restart})
    if waits:
        yield Trouble(
            "note",
            f"waiting for the next start: {', '.join(waits)}",
            "Everything else that has changed is in use. Restart callrouter when it suits you.",
        )
    for where in (one for one in found.destinations if one.drained_at is not None):
        owed = "1 delivery still waits" if where.waiting == 1 else f"{where.waiting:,} deliveries still wait"
        yield Trouble(
            "note",
            f'"{where.name}" is being drained and takes nothing new ({where.drain_reason}); '
            + (owed if where.waiting else "nothing waits any more"),
            "Once nothing waits it can be removed and the configuration reloaded. To go on as before:",
            command(f"resume {shlex.quote(where.name)}", found.config),
        )
    if found.silences and found.silences_end_at is not None:
        active = "1 silence is" if found.silences == 1 else f"{found.silences:,} silences are"
        yield Trouble(
            "note",
            f"{active} active, the last one for {spell(max(1.0, round(found.silences_end_at - found.now)))} more",
            "What they catch is not sent, and can be sent later with callrouter replay --silence ID.",
            command("silence list", found.config),
        )
    if found.commands_waiting and not found.delivering:
        recorded = "1 recorded command waits" if found.commands_waiting == 1 else "recorded commands wait"
        yield Trouble("note", f"{recorded} for the daemon", "It carries out what was recorded as soon as it runs.")
