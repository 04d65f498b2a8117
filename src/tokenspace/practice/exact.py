"""The lecture's measures worked exactly: a measure of rational vectors is a rational number times one square root.

>>> print(exact_measure([2, -1, 3], [1, 2, -1], measure="cosine"))
-3/(2*sqrt(21))
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from numbers import Rational
from typing import TYPE_CHECKING, Literal

from tokenspace.errors import ArgumentError, ShapeError, ZeroVectorError
from tokenspace.practice.surds import Surd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_BITS = 1024
"""Longest numerator or denominator read: float64 ends at 2**1024, so every finite double fits."""

MAX_ANSWER_BITS = 12_000
"""Longest numerator or denominator of an answer's square; Python prints integers up to 4,300 digits, which is 14,284 bits."""

NUMBER = re.compile(r"[+-]?(\d+/\d+|(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?)", re.ASCII)

Measure = Literal["euclidean", "inner_product", "cosine"]


def exact_vector(numbers: Iterable[object]) -> tuple[Fraction, ...]:
    """Read numbers as exact fractions.

    Parameters
    ----------
    numbers : iterable of int, Fraction, Decimal or str
        A string is a decimal (``"-0.25"``, ``"1e-3"``) or a fraction (``"1/3"``).

    Returns
    -------
    tuple of Fraction

    Raises
    ------
    ArgumentError
        If one is a float, is no number, or has a numerator or denominator beyond ``MAX_BITS`` bits.

    Notes
    -----
    A float is refused because 0.1 is not a tenth but 3602879701896397/2**55, whose surds nobody wants; write it as ``"0.1"``.

    Examples
    --------
    >>> exact_vector([2, "-0.5", "1/3"])
    (Fraction(2, 1), Fraction(-1, 2), Fraction(1, 3))
    """
    return tuple(_exact(number, place) for place, number in enumerate(numbers))


def _exact(number: object, place: int) -> Fraction:
    where = f"number {place + 1} of the vector"
    value: Fraction | None = None
    if isinstance(number, str):
        text = number.strip()
        if len(text) <= MAX_BITS and NUMBER.fullmatch(text) and not re.search(r"/0+$", text):
            value = Fraction(text)
    elif isinstance(number, Rational):
        value = Fraction(int(number.numerator), int(number.denominator))
    elif isinstance(number, Decimal) and number.is_finite() and abs(number.adjusted()) < MAX_BITS:
        value = Fraction(number)
    if value is None:
        message = f"{where}: expected an integer, a fraction or a decimal written as text, got {number!r:.60}"
        raise ArgumentError(message, hint=f"write it as {str(number)!r:.60}" if isinstance(number, float) else "")
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        message = f"{where}: expected at most {MAX_BITS} bits above and below the bar, got a number of {len(str(number)):,} characters"
        raise ArgumentError(message, hint="exact answers are for numbers that a double could hold")
    return value


def exact_measure(u: Sequence[object], v: Sequence[object], *, measure: str = "euclidean") -> Surd:
    """Measure two vectors of rational numbers exactly.

    Parameters
    ----------
    u, v : sequence of int, Fraction, Decimal or str, of length d
        As :func:`exact_vector` reads them.
    measure : {"euclidean", "inner_product", "cosine"}
        Definition 5.1 (9), 5.2 (10) or 5.3 (11).

    Returns
    -------
    Surd
        The exact value; ``float`` of it is the nearest double, ``str`` of it the lecture's way to write it.

    Raises
    ------
    ArgumentError
        If there is no such measure, a number cannot be read, or the answer would have thousands of digits.
    ShapeError
        If the two have different lengths.
    ZeroVectorError
        If the cosine is asked for and one of the vectors is zero.

    Notes
    -----
    O(d) operations on fractions, about 1 microsecond each for small numbers: for exercises and oracles, not for tables.

    Examples
    --------
    >>> print(exact_measure([-1, 4, 2], [3, 0, -2], measure="euclidean"))
    4*sqrt(3)
    >>> print(exact_measure(["0.5", "1/2"], [1, 0], measure="cosine"))
    1/sqrt(2)
    """
    if measure not in MEASURE_OF:
        message = f"expected one of {', '.join(MEASURE_OF)} as the measure, got {measure!r}"
        raise ArgumentError(message)
    answer = MEASURE_OF[measure](*_pair(u, v, f"exact_measure(u, v, measure={measure!r})"))
    if max(answer.square.numerator.bit_length(), answer.square.denominator.bit_length()) > MAX_ANSWER_BITS:
        message = f"the exact answer would have more than {MAX_ANSWER_BITS * 3 // 10:,} digits"
        raise ArgumentError(message, hint="round the numbers, or measure them as floats")
    return answer


def exact_identity(u: Sequence[object], v: Sequence[object]) -> tuple[Fraction, Fraction]:
    """Return both sides of the identity (12), exactly: the square of the distance, and |u|^2 + |v|^2 - 2<u, v>.

    Parameters
    ----------
    u, v : sequence of int, Fraction, Decimal or str, of length d
        As :func:`exact_vector` reads them.

    Returns
    -------
    pair of Fraction
        Always equal: each is worked out on its own.

    Raises
    ------
    ArgumentError
        If a number cannot be read.
    ShapeError
        If the two have different lengths.

    Examples
    --------
    >>> exact_identity([2, -1, 3], [1, 2, -1])
    (Fraction(26, 1), Fraction(26, 1))
    """
    left, right = _pair(u, v, "exact_identity(u, v)")
    difference = tuple(a - b for a, b in zip(left, right, strict=True))
    return _dot(difference, difference), _dot(left, left) + _dot(right, right) - 2 * _dot(left, right)


def _pair(u: Sequence[object], v: Sequence[object], call: str) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Read two vectors of one length."""
    left, right = exact_vector(u), exact_vector(v)
    if len(left) != len(right):
        message = f"{call}: u has {len(left)} numbers and v has {len(right)}; they must be as many"
        raise ShapeError(message)
    return left, right


def _dot(u: tuple[Fraction, ...], v: tuple[Fraction, ...]) -> Fraction:
    return sum((a * b for a, b in zip(u, v, strict=True)), Fraction(0))


def _euclidean(u: tuple[Fraction, ...], v: tuple[Fraction, ...]) -> Surd:
    return Surd.root(sum(((a - b) ** 2 for a, b in zip(u, v, strict=True)), Fraction(0)))


def _inner_product(u: tuple[Fraction, ...], v: tuple[Fraction, ...]) -> Surd:
    return Surd.rational(_dot(u, v))


def _cosine(u: tuple[Fraction, ...], v: tuple[Fraction, ...]) -> Surd:
    norms = Surd.root(_dot(u, u)) * Surd.root(_dot(v, v))
    if not norms.sign:
        which = "both vectors are" if not any(u) and not any(v) else "u is" if not any(u) else "v is"
        message = f"cosine(u, v): {which} zero; Definition 5.3 leaves the zero vector out"
        raise ZeroVectorError(message)
    return _inner_product(u, v) / norms


MEASURE_OF = {"euclidean": _euclidean, "inner_product": _inner_product, "cosine": _cosine}
