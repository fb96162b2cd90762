"""Nodes on one database: who is there, who routes which share, and who leads."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from router import clock
from router.errors import StoreError
from router.shares import ALL, WAITING
from router.store.postgres.heartbeat import Daemon, NameTaken, refuse_taken
from tests.harness.waiting import until
from tests.store.postgres.crew import Crew, Node


@pytest.fixture
def crew(postgres_url: str) -> Iterator[Crew]:
    made = Crew(postgres_url)
    yield made
    made.close()


def shares(*nodes: Node) -> list[int]:
    """Return what all of *nodes* route, each share as often as it is routed."""
    return sorted(share for node in nodes for share in node.held)


def locked(crew: Crew) -> int:
    [count] = crew.sql.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid < 64"
    ).fetchone()
    return count


def test_the_only_node_routes_everything_and_leads(crew: Crew) -> None:
    node = crew.start("north")
    crew.settle()

    assert node.held == ALL
    assert node.nodes.leads
    assert node.nodes.place.part(10) == 10


@pytest.mark.parametrize("count", [2, 3, 5])
def test_nodes_share_evenly_and_nothing_is_routed_twice(crew: Crew, count: int) -> None:
    crew.start(*(f"node-{number}" for number in range(count)))
    crew.settle()

    assert shares(*crew.all) == sorted(ALL)
    assert {len(node.held) for node in crew.all} <= {64 // count, 64 // count + 1}
    assert sum(node.nodes.leads for node in crew.all) == 1


def test_at_no_moment_do_two_nodes_route_one_share(crew: Crew) -> None:
    for name in ("north", "south", "west"):
        crew.start(name)
        for _ in range(8):
            for node in crew.all:
                node.tend()
                assert len(shares(*crew.all)) == len(set(shares(*crew.all))) <= locked(crew)


def test_what_a_dead_node_routed_goes_to_the_others_who_are_told_to_forget_what_they_remember(crew: Crew) -> None:
    north, south = crew.start("north"), crew.start("south")
    crew.settle()
    before = south.gained
    crew.dies(north)
    crew.settle()

    assert south.held == ALL
    assert south.nodes.leads
    assert south.gained > before


def test_a_node_that_stops_gives_its_shares_away_before_it_is_gone(crew: Crew) -> None:
    north, south = crew.start("north"), crew.start("south")
    crew.settle()
    north.nodes.stand_down()
    assert not north.held
    assert not north.nodes.leads

    # One look of each is enough.
    north.tend(after=0.0)
    south.tend()
    assert south.held == ALL
    # What it has begun still counts for the limits.
    assert south.nodes.place.part(10) == 5

    north.nodes.leave()
    north.session.close()
    crew.all.remove(north)
    crew.settle()
    assert south.nodes.place.part(10) == 10


def test_a_node_whose_connection_the_server_ends_routes_nothing_until_it_has_locked_its_shares_again(
    crew: Crew,
) -> None:
    north, south = crew.start("north"), crew.start("south")
    crew.settle()
    mine, gained = north.held, north.gained
    crew.cut(north)
    with pytest.raises(StoreError):
        north.tend()
    # Whatever it does next, it does in another session.
    north.session.execute("SELECT 1")
    assert not north.nodes.shares
    assert not north.nodes.leads

    crew.settle()
    assert north.held == mine
    assert north.gained > gained
    assert shares(*crew.all) == sorted(ALL)
    assert sum(node.nodes.leads for node in crew.all) == 1
    assert south.nodes.place.count == 2


def test_a_node_that_was_stopped_for_too_long_begins_anew(crew: Crew) -> None:
    north, south = crew.start("north"), crew.start("south")
    crew.settle()
    was = north.heartbeat.joined
    crew.cut(north)
    crew.silence(north)
    assert not north.nodes.may_claim
    crew.settle(south)
    assert south.held == ALL

    # It wakes up in the middle of something.
    with pytest.raises(StoreError):
        north.tend()
    north.tend()
    assert north.heartbeat.joined != was
    assert north.nodes.place == WAITING
    crew.settle()
    assert shares(*crew.all) == sorted(ALL)
    assert crew.parts(10) == [5, 5]
    assert south.nodes.may_claim


def test_a_node_that_is_taken_for_gone_while_it_lives_keeps_what_it_has_locked(crew: Crew) -> None:
    north, south = crew.start("north"), crew.start("south")
    crew.settle()
    mine = north.held
    crew.silence(north)
    crew.settle(south)

    assert not mine & south.held


def test_a_stopped_process_loses_its_shares_by_the_servers_hand(crew: Crew) -> None:
    north, south = crew.start("north"), crew.start("south")
    crew.settle()
    north.session.execute("SET idle_session_timeout = '200ms'")

    def taken() -> bool:
        crew.silence(north)
        south.tend()
        return south.held == ALL

    until(taken, what="the shares of the node that says nothing")


def test_a_name_that_a_living_node_has_is_refused(crew: Crew) -> None:
    crew.start("north")
    crew.settle()

    with pytest.raises(NameTaken, match=r'another node on this store is called "north" \(process \d+ on host-of-north'):
        refuse_taken(crew.sql, Daemon("north", True, "elsewhere", 1))


def test_a_second_node_of_the_same_name_neither_routes_nor_claims(crew: Crew) -> None:
    north = crew.start("north", pid=os.getpid())
    twin = crew.start("north", host="elsewhere")
    crew.settle()

    assert north.held == ALL
    assert twin.nodes.refused is not None
    assert not twin.held
    assert not twin.nodes.may_claim


@pytest.mark.parametrize("pid", [os.getpid(), 1 << 30], ids=["its worker alone", "the whole daemon"])
def test_a_node_that_crashed_has_its_name_back_at_once(crew: Crew, pid: int) -> None:
    before = crew.start("north", pid=pid)
    crew.settle()
    crew.all.remove(before)
    before.session.close()

    again = crew.start("north", host="host-of-north", pid=os.getpid())
    crew.settle()
    assert again.held == ALL
    assert again.nodes.refused is None


def test_the_name_of_a_node_that_was_not_heard_for_long_is_free(crew: Crew) -> None:
    before = crew.start("north")
    crew.settle()
    crew.dies(before)

    refuse_taken(crew.sql, Daemon("north", True, "elsewhere", 1))


def test_a_node_that_only_takes_events_in_has_no_shares_and_no_part_of_a_limit(crew: Crew) -> None:
    north = crew.start("north")
    crew.start("door", delivers=False)
    crew.settle()

    assert [row.name for row in north.nodes.rows] == ["north", "door"]
    assert north.held == ALL
    assert north.nodes.place.count == 1


def test_a_node_goes_by_the_clock_of_the_database(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 5.0)
    crew.start("north")
    crew.settle()

    [now] = crew.sql.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    assert abs(clock.now() - now) < 1.0


def test_a_node_that_has_gone_is_remembered_for_a_day(crew: Crew) -> None:
    north, south = crew.start("north"), crew.start("south")
    crew.settle()
    crew.dies(north)
    crew.settle()
    [row] = [row for row in south.nodes.rows if row.name == "north"]
    assert row.state(clock.now()) == "gone"

    crew.sql.execute("UPDATE node SET gone_at = gone_at - 86400 WHERE gone_at IS NOT NULL")
    crew.settle()
    assert [row.name for row in south.nodes.rows] == ["south"]
