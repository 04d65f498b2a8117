"""Correlations and shares with the interval they are known to: what an evaluation on a few hundred judgements can say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from tokenspace.errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 4
"""Pairs from which on an interval can be given: its width goes with 1 / (m - 3)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and the interval it is known to.

    Attributes
    ----------
    value, low, high : float
        NaN where it cannot be told.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Say it in hundredths."""
        return f"{100 * self.value:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def pearson(x: NDArray[np.float64], y: NDArray[np.float64], confidence: float = 0.95) -> Estimate:
    """Return Pearson's correlation, with Fisher's interval.

    Parameters
    ----------
    x, y : arrays of shape (m,), float64
    confidence : float, default 0.95
        Between 0 and 1.

    Returns
    -------
    Estimate
        NaN where x or y does not vary; the interval is NaN below four pairs.

    Notes
    -----
    The interval is that of atanh(r) as a normal variable of variance 1/(m-3): right for pairs drawn independently from a normal
    distribution, and near enough elsewhere. The vice: test sets use a word in several pairs, which are so not quite independent.
    """
    return _interval(_correlation(x, y), len(x), 0.0, confidence)


def spearman(x: NDArray[np.float64], y: NDArray[np.float64], confidence: float = 0.95) -> Estimate:
    """Return Spearman's rank correlation, ties at their mean rank, with the interval of Bonett and Wright.

    Parameters
    ----------
    x, y : arrays of shape (m,), float64
    confidence : float, default 0.95

    Returns
    -------
    Estimate
        As `pearson`.

    Notes
    -----
    As Fisher's, with variance (1 + r²/2) / (m - 3): D. Bonett, T. Wright, "Sample size requirements for estimating Pearson, Kendall and
    Spearman correlations", Psychometrika 65, 2000.

    Examples
    --------
    >>> print(spearman(np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 4, 9, 16, 10])))
    90.0 [-16.9, 99.6]
    """
    return _interval(_correlation(_ranks(x), _ranks(y)), len(x), 0.5, confidence)


def share(successes: int, trials: int, confidence: float = 0.95) -> Estimate:
    """Return a share of successes, with Wilson's interval.

    Parameters
    ----------
    successes, trials : int
    confidence : float, default 0.95

    Returns
    -------
    Estimate
        NaN where there was no trial.
    """
    z = _quantile(confidence)
    if not trials:
        return UNKNOWN
    value = successes / trials
    middle = (value + z * z / (2 * trials)) / (1 + z * z / trials)
    reach = z * math.sqrt(value * (1 - value) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    return Estimate(value, min(value, max(0.0, middle - reach)), max(value, min(1.0, middle + reach)))


def mean(values: NDArray[np.float64], confidence: float = 0.95) -> Estimate:
    """Return a mean of independent values, with the normal interval."""
    value = float(values.mean()) if len(values) else math.nan
    reach = _quantile(confidence) * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Estimate(value, value - reach, value + reach)


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        message = f"confidence must be between 0 and 1; seen {confidence!r}"
        raise ArgumentError(message)
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    if len(x) < 2:  # noqa: PLR2004 - one point varies with nothing
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    lengths = math.sqrt(float(x @ x)) * math.sqrt(float(y @ y))
    return max(-1.0, min(1.0, float(x @ y) / lengths)) if lengths else math.nan


def _interval(r: float, m: int, extra: float, confidence: float) -> Estimate:
    z = _quantile(confidence)
    if math.isnan(r) or m < FEWEST:
        return Estimate(r, math.nan, math.nan)
    if abs(r) == 1:
        return Estimate(r, r, r)
    reach = z * math.sqrt((1 + extra * r * r) / (m - FEWEST + 1))
    return Estimate(r, math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each value, from 0; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[inverse])
