"""Laws of exact answers: they agree with floats, with the identity (12), and with what they print."""

from __future__ import annotations

import ast
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenspace import measures
from tokenspace.practice import LECTURE, Surd, exact_identity, exact_measure

NUMBERS = st.integers(-50, 50) | st.fractions(-9, 9, max_denominator=12)
PAIRS = st.integers(1, 6).flatmap(lambda d: st.tuples(*[st.lists(NUMBERS, min_size=d, max_size=d)] * 2))
SQUARES = st.integers(0, 10**12) | st.fractions(0, 10**6, max_denominator=10**6)


def _square_of_what_is_printed(text: str) -> Fraction:
    """Read a printed surd back, by a grammar of its own: products and one bar, numbers and square roots."""

    def square(node: ast.expr) -> Fraction:
        match node:
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return square(left) * square(right)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return square(left) / square(right)
            case ast.Call(func=ast.Name(id="sqrt"), args=[ast.Constant(value=int(radicand))]):
                return Fraction(radicand)
            case ast.Constant(value=int(whole)):
                return Fraction(whole) ** 2
        raise AssertionError(text)

    return square(ast.parse(text.removeprefix("-"), mode="eval").body)


@given(SQUARES, st.sampled_from([1, -1]))
def test_what_is_printed_is_the_number(square: int | Fraction, sign: int) -> None:
    surd = Surd.root(square) if sign > 0 else -Surd.root(square)
    assert _square_of_what_is_printed(str(surd)) == square
    assert str(surd).startswith("-") == (surd.sign < 0)


@given(st.integers(1, 10**10))
def test_a_printed_radicand_has_no_square_in_it(square: int) -> None:
    _, _, inside = str(Surd.root(square)).rpartition("sqrt(")
    radicand = int(inside[:-1]) if inside.endswith(")") else 1
    assert all(radicand % (prime * prime) for prime in range(2, min(2000, math.isqrt(radicand) + 1)))


@given(SQUARES)
def test_the_float_of_a_root_is_the_root(square: int | Fraction) -> None:
    assert float(Surd.root(square)) == pytest.approx(math.sqrt(square), rel=1e-15)


@given(PAIRS)
def test_the_identity_holds_exactly(pair: tuple[list[Fraction], list[Fraction]]) -> None:
    left, right = exact_identity(*pair)
    assert left == right == exact_measure(*pair).square


@given(PAIRS)
def test_cauchy_and_schwarz_hold_exactly(pair: tuple[list[Fraction], list[Fraction]]) -> None:
    u, v = pair
    zeros = [0] * len(u)
    bound = exact_measure(u, zeros) * exact_measure(v, zeros)
    assert -bound <= exact_measure(u, v, measure="inner_product") <= bound


@given(PAIRS, st.sampled_from(measures.MEASURES))
def test_exact_answers_are_those_of_the_floats(pair: tuple[list[Fraction], list[Fraction]], measure: measures.Measure) -> None:
    u, v = ([float(number) for number in vector] for vector in pair)
    if measure == "cosine" and not (any(u) and any(v)):
        return
    exact = float(exact_measure(*pair, measure=measure))
    assert getattr(measures, measure)(u, v) == pytest.approx(exact, rel=1e-6, abs=1e-9 * (1 + math.hypot(*u) * math.hypot(*v)))


def test_the_lectures_answers_are_those_of_the_floats() -> None:
    for worked in LECTURE:
        assert getattr(measures, worked.measure)(worked.u, worked.v) == pytest.approx(float(worked.answer), rel=1e-15)
