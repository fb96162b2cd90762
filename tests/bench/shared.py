"""A shared store in front of a mountain, what it asks of its database, and how the cost of a delivery grows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from router.inbox import NewEntry
from router.inbox.writer import InboxWriter
from router.intake.shelf import SharedShelf
from router.location import PostgresAt
from router.secret import Secret
from tests.bench import database, plot, turns
from tests.bench.report import Report, spread, tell
from tests.bench.turns import Turns
from tests.bench.working import Working
from tests.harness.percentiles import percentiles
from tests.harness.postgres import Server

ROUNDS, TURNS = 5, 40
#: How many deliveries wait; and how many behind one call.
WAITING, BEHIND = (0, 10_000, 100_000, 1_000_000), 100_000
DESTINATIONS, RULES, NODES = (1, 10, 100), (10, 1_000, 10_000), (1, 2, 4)
#: Events of a worker's run, of which there are three; lone events, and few together; events of an ingest run.
EVENTS, LONE, FEW, ACCEPTED = 5_000, 100, 20, 10_000
#: Statements that a peer publishes for an event; ours.
PEER, INGEST_AIM, DELIVERED_AIM = 31.7, 1.0, 3.0
PICTURE = "cost-on-postgresql.svg"


def backlog(_folder: Path) -> Report:
    """Databases side by side, in turns: nothing waiting, ever more due, a hundred thousand behind one call."""
    with database.durable() as server:
        about = database.described(server)
        scenes = {_label(waiting): _scene(server, waiting) for waiting in WAITING}
        scenes[f"{BEHIND:,} behind one call"] = _scene(server, BEHIND, blocked=True)
        for number in range(ROUNDS):
            for name, scene in scenes.items():
                database.checkpoint(server)
                scene.round(TURNS)
                tell(f"round {number + 1} of {ROUNDS}: {name} {scene.rates[-1]:,.0f}/s")
        rows = [_backlog_row(name, scene, scenes[_label(0)]) for name, scene in scenes.items()]
        for scene in scenes.values():
            scene.store.close()
    rows.append(("aim", "", "0.7, behind 0.8 or more", "", "under 50", ""))
    how = (
        f"{about}. One node's store without a worker: a turn records what the last one has claimed, takes in "
        f"{turns.AT_ONCE} events with one delivery each, in order per call, and claims as many, in one transaction. "
        f"{ROUNDS} rounds of {TURNS} turns, the databases in turns. Median (least–greatest)."
    )
    header = ("", "deliveries/s", "of the empty store", "claim p50 ms", "claim p99 ms", "statements a delivery")
    return Report("Backlog on PostgreSQL", how, header, rows)


def statements(folder: Path) -> Report:
    """Count what ingest and a real worker ask, for events that come alone and for many."""
    with database.durable() as server:
        url = server.create_database()
        working = Working(folder / "worker", url)
        lone, few, many = working.cost(1, times=LONE), working.cost(FEW, times=LONE), working.cost(EVENTS)
        working.close()
        alone, busy = (_accepting(folder / str(at_once), url, at_once) for at_once in (1, 64))
    rows = [
        ("ingest: one sender, one event at a time", f"{alone:.2f}", f"{INGEST_AIM:.0f}"),
        ("ingest: 64 senders", f"{busy:.3f}", f"{INGEST_AIM:.0f}"),
        ("inbox to delivered: one event at a time", f"{lone.statements:.1f}", ""),
        (f"inbox to delivered: {FEW} at the same time", f"{few.statements:.1f}", f"{DELIVERED_AIM:.0f}"),
        (f"inbox to delivered: {EVENTS:,} events wait", f"{many.statements:.2f}", f"{DELIVERED_AIM:.0f}"),
        ("a peer, as it says", f"{PEER}", ""),
    ]
    how = (
        "Counted at the session, BEGIN and COMMIT among them. Ingest: the thread that writes into the inbox, "
        f"{ACCEPTED:,} events. Inbox to delivered: a whole worker (read, route by 10 rules, one destination in order "
        "per call, claim, record) with a sender that says at once that it has sent, until a turn finds nothing more. A "
        "turn asks about as much for one event as for hundreds, so that a lone event pays for three alone: one that "
        "routes it, one that records it, one that finds nothing. A heartbeat, and looks while nothing comes, go on "
        "beside, the same whatever the load."
    )
    return Report("Statements an event", how, ("", "statements", "at most"), rows)


def growth(folder: Path) -> Report:
    """Measure a delivery's cost, one thing growing at a time, and draw it."""
    panels: dict[str, list[tuple[str, float]]] = {}
    rows: list[tuple[str, ...]] = []

    def note(what: str, size: int, microseconds: float, asked: float) -> None:
        short = f"{size // 1_000_000} M" if size >= 1_000_000 else f"{size // 1000}k" if size >= 10_000 else f"{size:,}"
        panels.setdefault(what, []).append((short, microseconds))
        ratio = microseconds / panels[what][0][1]
        rows.append((what, f"{size:,}", f"{microseconds:.0f}", f"{ratio:.2f}", f"{asked:.2f}"))
        tell(f"{what} {size:,}: {microseconds:.0f} µs, {asked:.2f} statements")

    with database.durable() as server:
        about = database.described(server)
        for waiting in WAITING:
            scene = _scene(server, waiting)
            database.checkpoint(server)
            for _ in range(3):
                scene.round(TURNS)
            note("waiting deliveries", waiting, 1e6 / median(scene.rates), _asked(scene))
            scene.store.close()
            server.drop_database(scene.url)
        for what, sizes in (("destinations", DESTINATIONS), ("rules", RULES)):
            for size in sizes:
                note(what, size, *_working(server, folder / f"{what}-{size}", what, size))
        for nodes in NODES:
            url = server.create_database()
            database.opened(url).close()
            found = [turns.together(url, nodes, 3 * TURNS, round_ * 1_000_000) for round_ in range(3)]
            note("nodes", nodes, 1e6 / median(rate for rate, _ in found), median(asked for _, asked in found))
            server.drop_database(url)
    how = (
        f"![µs a delivery, four charts](pictures/{PICTURE})\n\n{about}. Waiting deliveries and nodes: as in the two "
        f"tables above, the time of all nodes together, {3 * TURNS * turns.AT_ONCE:,} deliveries a figure. "
        f"Destinations (with 100 rules) and rules (to 10 destinations): a whole worker and its sender, as in the table "
        f"of statements, {EVENTS:,} events, each to one destination. Medians of three."
    )
    foot = "At the store: waiting, nodes. A whole worker: destinations, rules."
    picture = plot.bars("What a delivery costs on PostgreSQL", "Microseconds a delivery", panels, foot=foot)
    header = ("what grows", "to", "µs a delivery", "of the first", "statements a delivery")
    return Report("How the cost grows", how, header, rows, pictures={PICTURE: picture})


def _label(waiting: int) -> str:
    return f"{waiting:,} waiting" if waiting else "nothing waiting"


def _scene(server: Server, waiting: int, *, blocked: bool = False) -> Turns:
    url = server.create_database()
    if waiting:
        tell(f"filling in {waiting:,} …")
        database.fill(url, waiting, each=waiting if blocked else 5, blocked=blocked)
    return Turns(url)


def _backlog_row(name: str, scene: Turns, empty: Turns) -> tuple[str, ...]:
    ratio = median(mine / theirs for mine, theirs in zip(scene.rates, empty.rates, strict=True))
    took = percentiles([1000 * seconds for seconds in scene.claims])
    return name, spread(scene.rates), f"{ratio:.2f}", f"{took['p50']:.1f}", f"{took['p99']:.1f}", f"{_asked(scene):.2f}"


def _asked(scene: Turns) -> float:
    return scene.asked / scene.delivered


def _working(server: Server, folder: Path, what: str, size: int) -> tuple[float, float]:
    url = server.create_database()
    working = Working(
        folder, url, destinations=size if what == "destinations" else 10, rules=size if what == "rules" else 100
    )
    working.cost(EVENTS // 5)
    costs = [working.cost(EVENTS) for _ in range(3)]
    working.close()
    server.drop_database(url)
    return median(cost.microseconds for cost in costs), median(cost.statements for cost in costs)


def _accepting(folder: Path, url: str, at_once: int) -> float:
    """Return the statements for each of so many events from *at_once* senders, each after the answer to its last."""
    folder.mkdir()
    shelves: list[SharedShelf] = []

    def shelf() -> SharedShelf:
        shelves.append(SharedShelf(PostgresAt(Secret(url)), "n1"))
        return shelves[-1]

    events = ACCEPTED if at_once > 1 else ACCEPTED // 10

    async def send(inbox: InboxWriter, numbers: Sequence[int]) -> None:
        for number in numbers:
            await inbox.append(NewEntry("wavix", bytes(540), time.time(), "127.0.0.1", call_id=f"call-{number}"))

    async def run() -> None:
        inbox = InboxWriter(folder, shelf=shelf)
        await asyncio.gather(*(send(inbox, range(first, events, at_once)) for first in range(at_once)))
        asked.append(shelves[0].session().statements)
        inbox.close()

    asked: list[int] = []
    asyncio.run(run())
    assert len(shelves) == 1, "the connection was lost"
    return asked[0] / events
