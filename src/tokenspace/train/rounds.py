"""Which examples a step takes: round after round through all of them, each in an order of its own."""

from __future__ import annotations

import numpy as np


def places(step: int, *, batch: int, count: int, seed: tuple[int, int]) -> list[int]:
    """Return the places of a step's examples; they depend on the step alone, so that what was stopped goes on the same.

    Parameters
    ----------
    step : int
        From 0.
    batch, count : int
        Examples a step, and in all.
    seed : (int, int)
        The training's, and the kind of training's own number.

    Returns
    -------
    list of `batch` int, each in 0..count-1

    Notes
    -----
    Time O(batch + count): the order of a round is drawn anew for each step.

    Examples
    --------
    >>> sorted(places(0, batch=3, count=6, seed=(7, 1)) + places(1, batch=3, count=6, seed=(7, 1)))
    [0, 1, 2, 3, 4, 5]
    """
    chosen: list[int] = []
    order = np.empty(0, dtype=np.int64)
    for at in range(step * batch, (step + 1) * batch):
        round_, place = divmod(at, count)
        if not chosen or place == 0:
            order = np.random.default_rng([seed[0], round_, seed[1]]).permutation(count)
        chosen.append(int(order[place]))
    return chosen
