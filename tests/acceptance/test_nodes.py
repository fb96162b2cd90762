"""Several nodes on one PostgreSQL: whatever happens to a node, to the database, or to the way between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.cluster import Cluster
from tests.acceptance.trial import Finding, Tell
from tests.harness.events import EVENTS
from tests.harness.load import Load
from tests.harness.postgres import Server
from tests.harness.waiting import pause, until

pytestmark = pytest.mark.slow

RATE = 120


@pytest.fixture(scope="module")
def durable_server() -> Iterator[Server]:
    server = Server.start("newest", durable=True)
    yield server
    server.stop()


def over(cluster: Cluster, load: Load) -> Finding:
    """End the load, wait until everything has ended, stop the nodes and judge."""
    load.stop(60)
    assert cluster.drained(60)
    cluster.stop()
    return cluster.judge()


def routed_by(cluster: Cluster) -> dict[str, int]:
    """Node → how many shares of calls it routes, as it last said."""
    with psycopg.connect(cluster.url) as db:
        rows = db.execute("SELECT name, about FROM node WHERE gone_at IS NULL").fetchall()
    return {name: json.loads(about).get("shares", 0) for name, about in rows}


def evenly(cluster: Cluster, nodes: int) -> bool:
    """Whether so many nodes route all calls, each about as many as the others."""
    shares = routed_by(cluster)
    return len(shares) == nodes and sum(shares.values()) == 64 and max(shares.values()) - min(shares.values()) <= 1


def test_killed_nodes_lose_nothing_and_their_calls_go_on_elsewhere(
    tmp_path: Path, seed: int, scale: int, tell: Tell, durable_server: Server
) -> None:
    with Cluster(tmp_path, seed, durable_server, "steady", "flaky") as cluster:
        cluster.receivers["flaky"].behave(status=503, share=0.2, seed=seed)
        cluster.start()
        until(lambda: evenly(cluster, 3), 30, what="three nodes divide all calls", every=0.2)
        load = cluster.load()
        load.start("open", rate=RATE)
        for _ in range(3 * scale):
            pause(cluster.dice.uniform(0.5, 1.5))
            cluster.kill(cluster.dice.choice(sorted(cluster.nodes)))
        finding = over(cluster, load)
        tell("kill -9 of nodes, one after the other, on PostgreSQL", finding)
        assert finding.accepted > 20 * EVENTS
        assert finding.faults == []


def test_a_database_that_crashes_or_ends_all_connections_is_come_back_to(
    tmp_path: Path, seed: int, scale: int, tell: Tell, durable_server: Server
) -> None:
    with Cluster(tmp_path, seed, durable_server, "steady") as cluster:
        cluster.start()
        load = cluster.load()
        load.start("open", rate=RATE)
        injected = 0
        for _ in range(scale):
            pause(1.0)
            assert cluster.terminate_all() > 3
            pause(2.0)
            durable_server.kill()
            pause(1.0)
            durable_server.start_again()
            pause(2.0)
            injected += 2
        finding = over(cluster, load)
        finding.injected = injected
        tell("kill -9 of the postmaster, and the end of all connections", finding)
        assert finding.accepted > 20 * EVENTS
        assert finding.faults == []


def test_a_node_that_stands_still_loses_its_calls_to_others_and_comes_back(
    tmp_path: Path, seed: int, tell: Tell, durable_server: Server
) -> None:
    with Cluster(tmp_path, seed, durable_server, "steady", environment={"LEASE": "3", "GONE": "5"}) as cluster:
        cluster.start()
        until(lambda: evenly(cluster, 3), 30, what="three nodes divide all calls", every=0.2)
        load = cluster.load()
        load.start("open", rate=RATE)
        pause(1.0)
        # Connections that hang with it are no concern of this test: senders go to the other two.
        still = cluster.nodes.pop("n3")
        cluster.balance()
        cluster.nodes["n3"] = still
        cluster.stopped("n3", lambda: evenly(cluster, 2), 45)
        until(lambda: evenly(cluster, 3), 45, what="the node has its part again", every=0.2)
        finding = over(cluster, load)
        finding.injected = 1
        tell("SIGSTOP of a node, longer than its leases", finding)
        assert finding.faults == []


def test_a_node_that_is_cut_off_from_the_database_leaves_its_work_to_others(
    tmp_path: Path, seed: int, tell: Tell, durable_server: Server
) -> None:
    with Cluster(tmp_path, seed, durable_server, "steady", environment={"GONE": "5"}) as cluster:
        cluster.start()
        until(lambda: evenly(cluster, 3), 30, what="three nodes divide all calls", every=0.2)
        load = cluster.load()
        load.start("open", rate=RATE)
        pause(1.0)
        cluster.ways["n2"].behave("cut")
        until(lambda: evenly(cluster, 2), 60, what="two nodes divide all calls", every=0.2)
        cluster.ways["n2"].behave("forward")
        until(lambda: evenly(cluster, 3), 60, what="the third has its part again", every=0.2)
        finding = over(cluster, load)
        finding.injected = 1
        tell("a network cut between one node and the database", finding)
        assert finding.faults == []


def test_nodes_are_restarted_one_after_the_other_under_load(
    tmp_path: Path, seed: int, tell: Tell, durable_server: Server
) -> None:
    with Cluster(tmp_path, seed, durable_server, "steady") as cluster:
        cluster.start()
        load = cluster.load()
        load.start("open", rate=RATE)
        for daemon in cluster.nodes.values():
            pause(0.5)
            daemon.stop()
            daemon.start(deadline=40)
            cluster.balance()
        finding = over(cluster, load)
        finding.injected = len(cluster.nodes)
        tell("a rolling restart of all nodes", finding)
        assert finding.faults == []
        assert finding.duplicates == 0
