"""How calls and limits are divided among nodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.shares import ALL, Place, split

nodes = st.lists(st.integers(1, 10_000), min_size=1, max_size=70, unique=True)


@given(nodes)
def test_every_share_is_with_one_node_and_none_has_two_more_than_another(some: list[int]) -> None:
    parts = split(some)

    assert sorted(share for part in parts.values() for share in part) == sorted(ALL)
    sizes = [len(part) for part in parts.values()]
    assert max(sizes) - min(sizes) <= 1


def test_without_nodes_nobody_has_a_share() -> None:
    assert split([]) == {}


@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_when_a_node_goes_most_of_what_the_others_have_stays_with_them(count: int) -> None:
    before = split(range(1, count + 1))
    after = split(range(2, count + 1))

    moved = sum(len(before[node] - after[node]) for node in after)
    assert moved <= 64 // count


@given(nodes, st.integers(0, 500))
def test_the_parts_of_a_limit_make_up_the_whole(some: list[int], whole: int) -> None:
    assert sum(Place.among(node, some).part(whole) for node in some) == whole


@given(nodes, st.integers(0, 500), st.data())
def test_when_a_node_goes_no_part_of_another_shrinks(some: list[int], whole: int, data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(some))
    left = [node for node in some if node != gone]

    assert all(Place.among(node, left).part(whole) >= Place.among(node, some).part(whole) for node in left)
