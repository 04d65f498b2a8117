"""The lecture's exercises worked exactly: a measure of rational vectors is a rational number times one square root.

>>> print(exact_measure([2, -1, 3], [1, 2, -1], measure="cosine"))
-3/(2*sqrt(21))
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from numbers import Rational
from typing import TYPE_CHECKING, Literal

from tokenspace.errors import ArgumentError, ShapeError, ZeroVectorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_BITS = 1024
"""Longest numerator or denominator read: float64 ends at 2**1024, so every finite double fits."""

MAX_ANSWER_BITS = 12_000
"""Longest numerator or denominator of an answer's square; Python prints integers up to 4,300 digits, which is 14,284 bits."""

MAX_PRIME = 100_000
"""Squares of primes above this are taken out only where the rest is a perfect square: 50,000 divisions take 0.05 s."""

NUMBER = re.compile(r"[+-]?(\d+/\d+|(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?)", re.ASCII)

Measure = Literal["euclidean", "inner_product", "cosine"]


@dataclass(frozen=True, order=False)
class Surd:
    """A rational number times the square root of a natural number, kept exactly as a sign and a square.

    Two surds are equal where they are the same number, however they were made.

    Parameters
    ----------
    sign : int
        -1, 0 or 1.
    square : Fraction
        The number times itself; 0 where, and only where, the sign is 0.

    Raises
    ------
    ArgumentError
        If the sign is none of the three, or does not fit the square.

    Notes
    -----
    Sums of surds are not surds, so there is no addition; products, quotients and comparisons are exact. Virtue: a sign and a square
    decide equality without factoring anything. Vice: printing has to take squares out of the radicand, which is bounded to
    primes below ``MAX_PRIME``; for gigantic numbers the printed form is right, and may hold a square that was not found.

    Examples
    --------
    >>> str(Surd.root(48)), float(Surd.root(48))
    ('4*sqrt(3)', 6.928203230275509)
    >>> Surd.rational(-3) / (Surd.root(14) * Surd.root(6))
    Surd('-3/(2*sqrt(21))')
    """

    sign: int
    square: Fraction

    def __post_init__(self) -> None:
        if self.sign not in {-1, 0, 1} or self.square < 0 or (self.sign == 0) != (self.square == 0):
            message = f"a surd is a sign (-1, 0, 1) and a square that fits it; got sign {self.sign!r} and square {self.square}"
            raise ArgumentError(message)

    @classmethod
    def rational(cls, value: int | Fraction) -> Surd:
        """Return the rational number ``value`` as a surd.

        Examples
        --------
        >>> print(Surd.rational(Fraction(-7, 2)))
        -7/2
        """
        return cls((value > 0) - (value < 0), Fraction(value) ** 2)

    @classmethod
    def root(cls, square: int | Fraction) -> Surd:
        """Return the square root of ``square``.

        Raises
        ------
        ArgumentError
            If ``square`` is negative.

        Examples
        --------
        >>> print(Surd.root(26), Surd.root(Fraction(1, 2)), Surd.root(9))
        sqrt(26) 1/sqrt(2) 3
        """
        return cls(int(square != 0), Fraction(square))

    def __neg__(self) -> Surd:
        """Return the number with the other sign."""
        return Surd(-self.sign, self.square)

    def __mul__(self, other: Surd) -> Surd:
        """Return the exact product."""
        return Surd(self.sign * other.sign, self.square * other.square)

    def __truediv__(self, other: Surd) -> Surd:
        """Return the exact quotient; ZeroDivisionError where ``other`` is 0, as for every number of Python."""
        return Surd(self.sign * other.sign, self.square / other.square)

    def __lt__(self, other: Surd) -> bool:
        """Compare exactly, also where the floats are equal."""
        return self.sign * self.square < other.sign * other.square

    def __le__(self, other: Surd) -> bool:
        """Compare exactly, also where the floats are equal."""
        return self.sign * self.square <= other.sign * other.square

    def __float__(self) -> float:
        """Return the nearest double; ``inf`` with the sign where the number is beyond all of them."""
        top, bottom = self.square.numerator, self.square.denominator
        # The root of top/bottom, shifted so that it has 66 bits or more: 53 to keep, the others and the last ("some rest") to round by.
        shift = max(0, 132 - top.bit_length() + bottom.bit_length() + 1) // 2
        root = math.isqrt((top << 2 * shift) // bottom)
        if root * root * bottom != top << 2 * shift:
            root |= 1
        try:
            return self.sign * float(Fraction(root, 1 << shift))
        except OverflowError:
            return self.sign * math.inf

    def __str__(self) -> str:
        """Return the lecture's form: squares taken out, a root below the bar stays there."""
        out_top, root_top = _take_squares(self.square.numerator)
        out_bottom, root_bottom = _take_squares(self.square.denominator)
        if root_bottom == 1:
            whole, top, bottom = out_top, _product(out_top, root_top), str(out_bottom)
        else:  # sqrt(3)/(2*sqrt(7)) is written 3/(2*sqrt(21)): one root, below the bar
            whole, top, bottom = out_top * root_top, str(out_top * root_top), _product(out_bottom, root_top * root_bottom)
        minus = "-" if self.sign < 0 else ""
        if not whole:
            return "0"
        if bottom == "1":
            return minus + top
        return f"{minus}{top}/({bottom})" if "*" in bottom else f"{minus}{top}/{bottom}"

    def __repr__(self) -> str:
        """Return the form of :meth:`__str__` in ``Surd('...')``."""
        return f"Surd('{self}')"


def _product(whole: int, root: int) -> str:
    """Write whole * sqrt(root) without factors of 1."""
    return str(whole) if root == 1 else f"sqrt({root})" if whole == 1 else f"{whole}*sqrt({root})"


def _take_squares(number: int) -> tuple[int, int]:
    """Split ``number`` into (a, b) with a * a * b == number; b is square-free unless number has squares of primes above the bound."""
    outside, inside, prime = 1, 1, 2
    # A rest whose primes are all >= p and which is below p**3 is a prime, a product of two, or a square: isqrt tells the last apart.
    while prime**3 <= number and prime < MAX_PRIME:
        while number % (prime * prime) == 0:
            number //= prime * prime
            outside *= prime
        if number % prime == 0:
            number //= prime
            inside *= prime
        prime += 1 + prime % 2  # 2, 3, 5, 7, 9...: a composite divides nothing any more
    root = math.isqrt(number)
    return (outside * root, inside) if root * root == number else (outside, inside * number)


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


@dataclass(frozen=True)
class Worked:
    """One of the lecture's worked answers.

    Parameters
    ----------
    label : str
        Its name in section 5.1.
    equation : int
        The number of the equation that holds the answer.
    u, v : tuple of int
        The two vectors.
    measure : {"euclidean", "inner_product", "cosine"}
        What is asked.

    Examples
    --------
    >>> for worked in LECTURE:
    ...     print(f"{worked.label} ({worked.equation}) {worked.measure}: {worked.answer}")
    Example 5.1 (14) euclidean: sqrt(26)
    Exercise 5.1 (16) euclidean: 4*sqrt(3)
    Example 5.2 (17) inner_product: -3
    Exercise 5.2 (18) inner_product: -7
    Example 5.3 (22) cosine: -3/(2*sqrt(21))
    Exercise 5.3 (26) cosine: -7/sqrt(273)
    """

    label: str
    equation: int
    u: tuple[int, ...]
    v: tuple[int, ...]
    measure: Measure

    @property
    def answer(self) -> Surd:
        """The exact answer, worked out when asked for."""
        return exact_measure(self.u, self.v, measure=self.measure)


_EXAMPLE = ((2, -1, 3), (1, 2, -1))
_EXERCISE = ((-1, 4, 2), (3, 0, -2))

LECTURE = (
    Worked("Example 5.1", 14, *_EXAMPLE, "euclidean"),
    Worked("Exercise 5.1", 16, *_EXERCISE, "euclidean"),
    Worked("Example 5.2", 17, *_EXAMPLE, "inner_product"),
    Worked("Exercise 5.2", 18, *_EXERCISE, "inner_product"),
    Worked("Example 5.3", 22, *_EXAMPLE, "cosine"),
    Worked("Exercise 5.3", 26, *_EXERCISE, "cosine"),
)
"""The six worked answers of the lecture's section 5.1, in its order."""
