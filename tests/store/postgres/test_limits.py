"""Limits over all nodes: whatever comes and goes, and however late it is noticed, the sum never exceeds the whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.shares import WAITING
from tests.store.postgres.crew import Crew, Node

#: Limits that are looked at beside each other.
WHOLES = (1, 2, 3, 7, 10)


@pytest.fixture
def crew(postgres_url: str) -> Iterator[Crew]:
    made = Crew(postgres_url)
    yield made
    made.close()


class Out:
    """What a node has out, of each limit: as much as it may, and it comes back when the test says so."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.out = dict.fromkeys(WHOLES, 0)

    def claim(self) -> None:
        if not self.node.nodes.may_claim:
            return
        for whole in WHOLES:
            self.out[whole] = max(self.out[whole], self.node.nodes.place.part(whole))
        self._note()

    def come_back(self) -> None:
        for whole in WHOLES:
            self.out[whole] = min(self.out[whole], self.node.nodes.place.part(whole))
        self._note()

    def _note(self) -> None:
        self.node.settled = all(self.out[whole] <= self.node.nodes.place.part(whole) for whole in WHOLES)

    def tend(self) -> None:
        self.node.tend()
        self._note()


#: A node does one thing after the other, in any order among all nodes. Deaths are noticed late, or at once.
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["start", "leave", "die", "wake late", "come back", "come back"] + ["tend"] * 8 + ["claim"] * 4
        ),
        st.integers(0, 100),
    ),
    max_size=60,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_the_parts_in_use_never_exceed_the_limit_and_settle_to_exactly_it(  # noqa: PLR0912 - one branch for each thing that happens
    crew: Crew, steps: list[tuple[str, int]]
):
    crew.sql.execute("DELETE FROM node")
    for node in crew.all:
        node.session.close()
    crew.all.clear()
    outs: list[Out] = []
    started = 0
    for what, which in steps:
        if what == "start" and len(outs) < 4:
            started += 1
            outs.append(Out(crew.start(f"node-{started}")))
        elif outs:
            one = outs[which % len(outs)]
            if what == "tend":
                one.tend()
            elif what == "claim":
                one.claim()
            elif what == "come back":
                one.come_back()
            elif what == "die":
                outs.remove(one)
                crew.dies(one.node)
            elif what == "leave":
                outs.remove(one)
                one.node.nodes.stand_down()
                one.node.nodes.leave()
                one.node.session.close()
                crew.all.remove(one.node)
            elif what == "wake late":
                # What it had out has ended by now: no attempt takes so long.
                crew.silence(one.node)
                one.out = dict.fromkeys(WHOLES, 0)
        for whole in WHOLES:
            assert sum(one.out[whole] for one in outs) <= whole

    for _ in range(12):
        for one in outs:
            one.tend()
            one.claim()
            one.come_back()
            for whole in WHOLES:
                assert sum(other.out[whole] for other in outs) <= whole
    if outs:
        assert {whole: sum(crew.parts(whole)) for whole in WHOLES} == {whole: whole for whole in WHOLES}


def test_a_node_that_joins_waits_until_what_the_others_have_out_is_back(crew: Crew) -> None:
    north = crew.start("north")
    crew.settle()
    south = crew.start("south")
    north.tend()
    south.tend()
    north.tend()
    assert crew.parts(10) == [5, 0]

    north.settled = False
    crew.settle()
    assert crew.parts(10) == [5, 0]
    assert south.nodes.place == WAITING

    north.settled = True
    crew.settle()
    assert crew.parts(10) == [5, 5]


def test_two_that_join_at_once_count_each_other_in(crew: Crew) -> None:
    crew.start("north")
    crew.settle()
    crew.start("south", "west")
    crew.settle()

    assert crew.parts(10) == [4, 3, 3]


def test_a_node_that_joins_again_waits_for_what_it_has_out_itself(crew: Crew) -> None:
    north, south = crew.start("north"), crew.start("south")
    crew.settle()
    crew.silence(north)
    crew.settle(south)
    assert south.nodes.place.part(10) == 10

    north.settled = False
    crew.settle()
    assert north.nodes.place == WAITING

    north.settled = True
    crew.settle()
    assert crew.parts(10) == [5, 5]
