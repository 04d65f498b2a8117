"""Chance in training."""

from __future__ import annotations

import heapq
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenspace.train.sampling import alias_table, huffman_ways, state_of

COUNTS = st.lists(st.integers(0, 10_000), min_size=2, max_size=60).filter(any).map(np.array)


@given(COUNTS)
def test_the_alias_table_draws_words_like_their_counts_to_the_power(counts):
    share, other = alias_table(counts, 0.75)
    drawn = share.astype(np.float64)
    np.add.at(drawn, other, 1.0 - share.astype(np.float64))
    wanted = np.where(counts > 0, counts.astype(float) ** 0.75, 0)
    np.testing.assert_allclose(drawn / len(counts), wanted / wanted.sum(), atol=1e-6)


@given(COUNTS)
def test_the_tree_is_a_code_as_short_as_huffmans(counts):
    begins, nodes, turns = huffman_ways(counts)
    ways = [tuple(zip(nodes[a:b].tolist(), turns[a:b].tolist(), strict=True)) for a, b in pairwise(begins)]
    assert len(set(ways)) == len(counts)
    assert sum(2.0 ** -len(way) for way in ways) == pytest.approx(1)
    assert all(way[0][0] == len(counts) - 2 for way in ways)  # the root
    heap, cost = counts.tolist(), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        total = heapq.heappop(heap) + heapq.heappop(heap)
        cost += total
        heapq.heappush(heap, total)
    assert sum(int(count) * len(way) for count, way in zip(counts, ways, strict=True)) == cost


def test_every_part_has_a_chain_of_its_own():
    states = {int(state_of(seed, kind, part)[0]) for seed in range(9) for kind in (1, 2) for part in range(200)}
    assert len(states) == 9 * 2 * 200
