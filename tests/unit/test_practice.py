"""The lecture's six answers, and how surds are written, compared and refused."""

from __future__ import annotations

import math
import time
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tokenspace.errors import ArgumentError, ShapeError, ZeroVectorError
from tokenspace.practice import LECTURE, Surd, exact_identity, exact_measure, exact_vector

ANSWERS = ["sqrt(26)", "4*sqrt(3)", "-3", "-7", "-3/(2*sqrt(21))", "-7/sqrt(273)"]


def test_the_six_answers_are_written_as_in_the_lecture() -> None:
    assert [str(worked.answer) for worked in LECTURE] == ANSWERS
    assert [worked.equation for worked in LECTURE] == [14, 16, 17, 18, 22, 26]


@pytest.mark.parametrize(
    ("surd", "text"),
    [
        (Surd.root(0), "0"),
        (Surd.root(1), "1"),
        (Surd.root(49), "7"),
        (Surd.root(48), "4*sqrt(3)"),
        (Surd.root(Fraction(1, 2)), "1/sqrt(2)"),
        (Surd.root(Fraction(1, 4)), "1/2"),
        (Surd.root(Fraction(3, 4)), "sqrt(3)/2"),
        (Surd.root(Fraction(50, 9)), "5*sqrt(2)/3"),
        (Surd.root(Fraction(3, 28)), "3/(2*sqrt(21))"),
        (Surd.rational(Fraction(-7, 2)), "-7/2"),
        (-Surd.root(2), "-sqrt(2)"),
        (Surd.root(10**300), f"1{'0' * 150}"),
        (Surd.root(2 * 10**300), f"1{'0' * 150}*sqrt(2)"),
    ],
)
def test_a_surd_is_written(surd: Surd, text: str) -> None:
    assert str(surd) == text
    assert repr(surd) == f"Surd('{text}')"


@pytest.mark.parametrize(
    "square",
    [(2**89 - 1) ** 2, (2**89 - 1) ** 2 * 3, (2**521 - 1) * (2**607 - 1), 10**400 + 1, 2**4000 + 1],
    ids=["square of a prime", "3 times it", "product of two primes", "401 digits", "1,205 digits"],
)
def test_big_numbers_take_bounded_time_and_are_written_rightly(square: int) -> None:
    start = time.process_time()
    text = str(Surd.root(square))
    assert time.process_time() - start < 2
    outside, _, inside = text.rpartition("sqrt(")
    whole = int(outside.rstrip("*") or 1) if inside.endswith(")") else int(text)
    assert whole**2 * (int(inside[:-1]) if inside.endswith(")") else 1) == square


def test_a_perfect_square_beyond_the_bound_is_found() -> None:
    assert str(Surd.root((2**521 - 1) ** 2)) == str(2**521 - 1)


def test_equal_numbers_are_equal_surds_however_made() -> None:
    assert Surd.rational(-3) / (Surd.root(14) * Surd.root(6)) == -Surd.root(Fraction(3, 28))
    assert hash(Surd.root(4)) == hash(Surd.rational(2))


def test_order_is_exact_where_floats_are_equal() -> None:
    near, nearer = Surd.root(Fraction(10**40 + 1, 10**40)), Surd.rational(1)
    assert float(near) == float(nearer)
    assert nearer < near
    assert near > nearer
    assert -near < -nearer <= Surd.rational(0) <= nearer


@pytest.mark.parametrize("value", [2, 26, 273, Fraction(1, 3), 10**600, Fraction(1, 10**600)])
def test_the_double_is_the_nearest_one(value: int | Fraction) -> None:
    root = float(Surd.root(value))
    below, above = math.nextafter(root, 0), math.nextafter(root, math.inf)
    assert ((Fraction(below) + Fraction(root)) / 2) ** 2 <= value <= ((Fraction(above) + Fraction(root)) / 2) ** 2


def test_a_number_beyond_the_doubles_becomes_infinity() -> None:
    assert float(-Surd.root(10**700)) == -math.inf


@pytest.mark.parametrize(("sign", "square"), [(2, Fraction(1)), (0, Fraction(1)), (1, Fraction(0)), (1, Fraction(-1))])
def test_a_sign_must_fit_its_square(sign: int, square: Fraction) -> None:
    with pytest.raises(ArgumentError, match="a sign"):
        Surd(sign, square)


def test_numbers_are_read_exactly() -> None:
    given = [2, Fraction(1, 3), Decimal("0.1"), "-0.25", " 1e-3 ", "+.5", "5.", "2/6", np.int64(7)]
    assert exact_vector(given) == tuple(
        Fraction(*pair) for pair in [(2, 1), (1, 3), (1, 10), (-1, 4), (1, 1000), (1, 2), (5, 1), (1, 3), (7, 1)]
    )


@pytest.mark.parametrize(
    "wrong",
    [
        0.1,
        "x",
        "",
        "1e99999",
        "1e400",
        2**1025,
        "1/0",
        "nan",
        "inf",
        None,
        1j,
        Decimal("nan"),
        Decimal("1e99999"),
        "1_000",
        "9" * 2000,
        "٣",
    ],
)
def test_what_is_no_exact_number_is_refused_with_its_place(wrong: object) -> None:
    with pytest.raises(ArgumentError, match="number 2 of the vector"):
        exact_vector([1, wrong])


def test_a_float_gets_the_hint_to_write_it_as_text() -> None:
    with pytest.raises(ArgumentError) as caught:
        exact_vector([0.1])
    assert caught.value.hint == "write it as '0.1'"


def test_unequal_lengths_replay_the_call() -> None:
    with pytest.raises(ShapeError, match=r"exact_measure\(u, v, measure='cosine'\): u has 2 numbers and v has 3"):
        exact_measure([1, 2], [1, 2, 3], measure="cosine")
    with pytest.raises(ShapeError, match="exact_identity"):
        exact_identity([1], [])


@pytest.mark.parametrize(("u", "v", "which"), [([0, 0], [1, 0], "u is"), ([1, 0], [0, 0], "v is"), ([0, 0], [0, 0], "both")])
def test_the_cosine_of_a_zero_vector_is_refused(u: list[int], v: list[int], which: str) -> None:
    with pytest.raises(ZeroVectorError, match=which):
        exact_measure(u, v, measure="cosine")


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(ArgumentError, match="euclidean, inner_product, cosine"):
        exact_measure([1], [1], measure="manhattan")


def test_an_answer_of_thousands_of_digits_is_refused() -> None:
    u = [Fraction(1, 2**1000 + 2 * step + 1) for step in range(20)]
    with pytest.raises(ArgumentError, match="digits"):
        exact_measure(u, [0] * 20)
