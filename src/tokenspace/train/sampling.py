"""Chance in training: which words are left out, which are drawn against a word, and the tree that stands for drawing."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MASK = (1 << 64) - 1


def state_of(seed: int, *numbers: int) -> NDArray[np.uint64]:
    """Return the state of a chain of random numbers, of shape (1,), that belongs to a seed and numbers such as a part's."""
    state = seed & MASK
    for number in (len(numbers), *numbers):
        state = (state ^ (number & MASK)) + 0x9E3779B97F4A7C15 & MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & MASK
        state ^= state >> 31
    return np.array([state], dtype=np.uint64)


def keep_chances(counts: NDArray[np.int64], sample: float) -> NDArray[np.float32]:
    """Return with which chance each word stays in its sentence.

    Parameters
    ----------
    counts : array of shape (n,), int64
    sample : float
        0 keeps all.

    Returns
    -------
    array of shape (n,), float32
        Above 1 where the word always stays.

    Notes
    -----
    (sqrt(f / sample) + 1) sample / f with f the word's share of the text: what word2vec.c does. (The paper, Mikolov et al. 2013,
    section 2.3, says sqrt(sample / f), which is less.)

    Examples
    --------
    >>> [round(float(chance), 2) for chance in keep_chances(np.array([90, 9, 1]), 0.1)]
    [0.44, 2.17, 13.16]
    """
    if not sample:
        return np.full(len(counts), 2.0, dtype=np.float32)
    share = np.maximum(counts, 1) / max(1, counts.sum())
    return ((np.sqrt(share / sample) + 1) * sample / share).astype(np.float32)


def alias_table(counts: NDArray[np.int64], exponent: float) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the table by which a word is drawn with a chance like ``counts ** exponent``: one look-up a draw.

    Parameters
    ----------
    counts : array of shape (n,), int64
        Words of count 0 are never drawn, unless all are 0.
    exponent : float
        word2vec's is 0.75.

    Returns
    -------
    share : array of shape (n,), float32
        A column i is drawn evenly; then i itself with this chance, ...
    other : array of shape (n,), int32
        ... else this word.

    References
    ----------
    M. D. Vose, "A linear algorithm for generating random numbers with a given distribution", 1991.

    Examples
    --------
    >>> alias_table(np.array([3, 1]), 1.0)
    (array([1. , 0.5], dtype=float32), array([0, 0], dtype=int32))
    """
    weights = np.where(counts > 0, np.maximum(counts, 1).astype(np.float64) ** exponent, 0.0)
    weights = weights if weights.any() else np.ones(len(counts))
    left = (weights * (len(counts) / weights.sum())).tolist()
    share, other = np.ones(len(counts), dtype=np.float32), np.arange(len(counts), dtype=np.int32)
    small = [word for word, weight in enumerate(left) if weight < 1]
    large = [word for word, weight in enumerate(left) if weight >= 1]
    while small and large:
        word, giver = small.pop(), large[-1]
        share[word], other[word] = left[word], giver
        left[giver] -= 1 - left[word]
        if left[giver] < 1:
            small.append(large.pop())
    return share, other


def huffman_ways(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Return each word's way from the root of the Huffman tree of the counts.

    Parameters
    ----------
    counts : array of shape (n,), int64, n at least 2

    Returns
    -------
    begins : array of shape (n + 1,), int64
        Where each word's way begins in the next two.
    nodes : array of shape (m,), int32
        The inner nodes on the ways, in 0..n-2, from the root on.
    turns : array of shape (m,), float32
        Which turn is taken at each: 1 or -1.

    Notes
    -----
    Two queues, O(n) after sorting. The less frequent of two children is turned to with 1, the first of equals.

    Examples
    --------
    >>> begins, nodes, turns = huffman_ways(np.array([4, 2, 1]))
    >>> begins.tolist(), nodes.tolist(), turns.tolist()
    ([0, 1, 3, 5], [1, 1, 0, 1, 0], [-1.0, 1.0, -1.0, 1.0, 1.0])
    """
    n = len(counts)
    leaves = deque((int(counts[word]), int(word)) for word in np.lexsort((-np.arange(n), counts)))
    inner: deque[tuple[int, int]] = deque()
    above, turn = np.zeros(2 * n - 1, dtype=np.int64), np.zeros(2 * n - 1, dtype=np.float32)
    for node in range(n, 2 * n - 1):
        total = 0
        for side in (1.0, -1.0):
            queue = leaves if leaves and (not inner or leaves[0][0] <= inner[0][0]) else inner
            count, child = queue.popleft()
            above[child], turn[child] = node, side
            total += count
        inner.append((total, node))
    lengths = np.zeros(2 * n - 1, dtype=np.int64)
    for node in range(2 * n - 3, -1, -1):
        lengths[node] = lengths[above[node]] + 1
    begins = np.concatenate([[0], np.cumsum(lengths[:n])])
    nodes, turns = np.empty(begins[-1], dtype=np.int32), np.empty(begins[-1], dtype=np.float32)
    at = np.arange(n)
    for step in range(int(lengths[:n].max())):  # from the leaves up, all words at once
        going = np.flatnonzero(lengths[:n] > step)
        place = begins[going + 1] - 1 - step
        nodes[place], turns[place] = above[at[going]] - n, turn[at[going]]
        at = above[at]
    return begins, nodes, turns
