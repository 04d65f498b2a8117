"""Exact answers: a rational number times the square root of a natural number, kept as a sign and a square.

>>> print(Surd.root(48), Surd.rational(-3) / (Surd.root(14) * Surd.root(6)))
4*sqrt(3) -3/(2*sqrt(21))
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from tokenspace.errors import ArgumentError

MAX_PRIME = 100_000
"""Squares of primes above this are taken out only where the rest is a perfect square: 50,000 divisions take 0.05 s."""


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
    Products, quotients and comparisons are exact; a sum is a surd only where both have the same root, so ``plus`` may say no.
    Virtue: a sign and a square decide equality without factoring anything. Vice: printing has to take squares out of the radicand,
    which is bounded to primes below ``MAX_PRIME``; for gigantic numbers the printed form is right, and may hold a square that was
    not found.

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

    def plus(self, other: Surd) -> Surd | None:
        """Return the exact sum where it is a surd, as 2*sqrt(3) + sqrt(3) is; None where it is not, as sqrt(2) + sqrt(3) is not.

        Examples
        --------
        >>> print(Surd.root(12).plus(-Surd.root(3)), Surd.root(2).plus(Surd.root(3)))
        sqrt(3) None
        """
        if not self.sign or not other.sign:
            return other if not self.sign else self
        ratio = (self / other).fraction
        return None if ratio is None else other * Surd.rational(ratio + 1)

    @property
    def fraction(self) -> Fraction | None:
        """The number as a fraction, or None where it has a root left in it."""
        top, bottom = math.isqrt(self.square.numerator), math.isqrt(self.square.denominator)
        rational = top * top == self.square.numerator and bottom * bottom == self.square.denominator
        return self.sign * Fraction(top, bottom) if rational else None

    @property
    def radicand(self) -> int:
        """The natural number without square factors whose root, times a rational number, this is; 1 for a rational number."""
        return _take_squares(self.square.numerator * self.square.denominator)[1] if self.sign else 1

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
