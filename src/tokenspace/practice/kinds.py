"""How the problems of each kind are made: numbers, question, answer, steps, and what the usual slips give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.practice.questions import SURDS, Draft, Level, Slip, Step
from tokenspace.practice.surds import Surd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from tokenspace.practice.questions import Answer, Vector

number = Surd.rational
root = Surd.root


def _draw(random: Random, level: Level) -> Vector:
    """Draw whole numbers from -largest to largest; Random.random is the one method whose stream Python promises for good."""
    return tuple(int(random.random() * (2 * level.largest + 1)) - level.largest for _ in range(level.dimension))


def _pick(random: Random, low: int, high: int) -> int:
    """Draw a whole number from low to high, both included."""
    return low + int(random.random() * (high - low + 1))


def _pair(random: Random, level: Level) -> tuple[Vector, Vector] | None:
    """Draw two vectors that differ and are not zero."""
    u, v = _draw(random, level), _draw(random, level)
    return (u, v) if any(u) and any(v) and u != v else None


def _dot(u: Vector, v: Vector) -> int:
    return sum(a * b for a, b in zip(u, v, strict=True))


def _fits(answer: Answer, level: Level) -> bool:
    return isinstance(answer, Surd) and SURDS[level.surds](answer.radicand)


def _column(v: Vector) -> str:
    return f"[{', '.join(map(str, v))}]"


def _signed(value: int) -> str:
    """Write a number as it stands behind a sign or a dot: negative ones in parentheses."""
    return f"({value})" if value < 0 else str(value)


def _rooted(square: int) -> str:
    """Write the root of a number, and how it is simplified where it can be."""
    plain, simple = f"√{square}", str(root(square))
    return plain if simple == f"sqrt({square})" else f"{plain} = {simple}"


def _sum(terms: list[str]) -> str:
    return " + ".join(terms)


def _root_if(square: int, text: str, equation: int) -> Iterator[Slip]:
    """Yield the slip whose answer is the root of ``square``, where it has one."""
    if square > 0:
        yield Slip(root(square), text, equation)


# ------------------------------------------------------------------------------------------------------------ the three measures


def _drawn(about: Callable[[Vector, Vector], Draft]) -> Callable[[Random, Level], Draft | None]:
    """Return the maker that draws a pair for a question about two vectors, with the wished-for roots where it has any."""

    def maker(random: Random, level: Level) -> Draft | None:
        pair = _pair(random, level)
        draft = None if pair is None else about(*pair)
        return None if draft is None or not (about is about_product or _fits(draft.answer, level)) else draft

    return maker


def about_distance(u: Vector, v: Vector) -> Draft:
    """Ask for the Euclidean distance (9)."""
    difference = tuple(a - b for a, b in zip(u, v, strict=True))
    square = _dot(difference, difference)
    answer = root(square)
    squares = _sum([f"{_signed(x)}²" for x in difference])
    steps = (
        Step(f"u − v = {_column(difference)}", 9),
        Step(f"(u − v)ᵀ(u − v) = {squares} = {square}", 9),
        Step(f"‖u − v‖ = {_rooted(square)}", 9),
    )
    question = f"u = {_column(u)} and v = {_column(v)}. Find the Euclidean distance of u and v."
    return Draft(question, answer, steps, tuple(_euclidean_slips(u, v, difference)))


def _euclidean_slips(u: Vector, v: Vector, difference: Vector) -> Iterator[Slip]:
    square = _dot(difference, difference)
    yield Slip(number(square), f"{square} is the square of the distance: the last step takes the root", 9)
    yield Slip(-root(square), "a distance is a root and never negative", 9)
    total = tuple(a + b for a, b in zip(u, v, strict=True))
    yield from _root_if(_dot(total, total), "that is the length of u + v: the distance is the length of the difference u − v", 9)
    yield Slip(number(sum(map(abs, difference))), "the differences are squared before they are added, and the root is taken after", 9)
    yield Slip(number(abs(sum(difference))), "the differences are squared before they are added", 9)
    for k, (a, b) in enumerate(zip(u, v, strict=True)):
        x = difference[k]
        here = f"component {k + 1}: {a} − {_signed(b)} = {x}"
        yield from _root_if(square - x * x + (a + b) ** 2, f"{here}, not {a + b}", 9)
        if x < 0:
            yield from _root_if(square - 2 * x * x, f"component {k + 1}: ({x})² = {x * x}, not {-x * x}: squares are positive", 9)
        yield from _root_if(square - x * x, f"component {k + 1} is missing: it adds {_signed(x)}² = {x * x}", 9)
        yield from _root_if(square - x * x + abs(x), f"component {k + 1} was not squared: {_signed(x)}² = {x * x}", 9)
    yield Slip(number(_dot(u, v)), "that is the inner product (10), not the distance", 9)


def about_product(u: Vector, v: Vector) -> Draft:
    """Ask for the standard inner product (10)."""
    terms = [a * b for a, b in zip(u, v, strict=True)]
    product = sum(terms)
    steps = (
        Step(f"the products: {_sum([f'{_signed(a)}·{_signed(b)}' for a, b in zip(u, v, strict=True)])}", 10),
        Step(f"⟨u, v⟩ = {_sum([_signed(t) for t in terms])} = {product}", 10),
    )
    question = f"u = {_column(u)} and v = {_column(v)}. Find the standard inner product of u and v."
    return Draft(question, number(product), steps, tuple(_product_slips(u, v, number)))


def _product_slips(u: Vector, v: Vector, after: Callable[[int], Surd]) -> Iterator[Slip]:
    """Yield what slips in the inner product give, and what becomes of it after (the cosine divides it)."""
    terms = [a * b for a, b in zip(u, v, strict=True)]
    product = sum(terms)
    for k, (a, b, term) in enumerate(zip(u, v, terms, strict=True)):
        said = f"product {k + 1} of the inner product: {_signed(a)}·{_signed(b)} = {term}"
        yield Slip(after(product - 2 * term), f"{said}, not {-term}", 10)
        yield Slip(after(product - term), f"{said} is missing", 10)
        yield Slip(after(product - term + a + b), f"{said}: the numbers are multiplied, not added", 10)
    yield Slip(after(-product), f"the sign: the products add up to {product}", 10)
    yield Slip(after(sum(map(abs, terms))), "the products keep their signs when they are added", 10)
    yield Slip(after(sum(u) * sum(v)), "numbers of the same place are multiplied first, then the products are added", 10)
    difference = tuple(a - b for a, b in zip(u, v, strict=True))
    yield Slip(root(_dot(difference, difference)), "that is the Euclidean distance (9)", 10)
    yield Slip(number(_dot(difference, difference)), "that is the square of the Euclidean distance (9)", 10)


def about_cosine(u: Vector, v: Vector) -> Draft:
    """Ask for the cosine similarity (11) of two vectors that are not zero."""
    product, square_u, square_v = _dot(u, v), _dot(u, u), _dot(v, v)
    lengths = root(square_u) * root(square_v)
    answer = number(product) / lengths
    steps = (
        Step(f"⟨u, v⟩ = {product}", 10),
        Step(f"‖u‖ = {_rooted(square_u)} and ‖v‖ = {_rooted(square_v)}", 11),
        Step(f"cos(u, v) = {product} / ({root(square_u)} · {root(square_v)}) = {answer}", 11),
    )
    slips = (
        Slip(number(product), "that is the inner product (10): it is still to be divided by both lengths", 11),
        Slip(number(product) / root(square_u), f"divided by ‖u‖ alone: ‖v‖ = {root(square_v)} is missing", 11),
        Slip(number(product) / root(square_v), f"divided by ‖v‖ alone: ‖u‖ = {root(square_u)} is missing", 11),
        Slip(number(product) / number(square_u * square_v), "divided by the squares of the lengths: the lengths are their roots", 11),
        Slip(number(product) / (number(square_u) * root(square_v)), f"the length of u is the root of {square_u}", 11),
        Slip(number(product) / (root(square_u) * number(square_v)), f"the length of v is the root of {square_v}", 11),
        Slip(lengths, "those are the lengths alone: the inner product is divided by them", 11),
        *([Slip(lengths / number(product), "upside down: the inner product is divided by the lengths", 11)] if product else []),
        *_length_slips(u, v),
        *_product_slips(u, v, lambda value: number(value) / lengths),
    )
    question = f"u = {_column(u)} and v = {_column(v)}. Find the cosine similarity of u and v."
    return Draft(question, answer, steps, slips)


def _length_slips(u: Vector, v: Vector) -> Iterator[Slip]:
    """Yield cosines with a wrong length."""
    product = number(_dot(u, v))
    for name, vector, other in (("u", u, v), ("v", v, u)):
        square = _dot(vector, vector)
        for k, x in enumerate(vector):
            said = f"the length of {name}, component {k + 1}: {_signed(x)}² = {x * x}"
            for wrong, what in ((square - 2 * x * x, f", not {-x * x}"), (square - x * x, " is missing")):
                if wrong > 0 and wrong != square:
                    yield Slip(product / (root(wrong) * root(_dot(other, other))), said + what, 11)


# ------------------------------------------------------------------------------------------------------------------ the identity


def _identity(random: Random, level: Level) -> Draft | None:
    pair = _pair(random, level)
    if pair is None:
        return None
    u, v = pair
    asked = ("distance", "product", "cosine")[_pick(random, 0, 2)]
    product, square_u, square_v = _dot(u, v), _dot(u, u), _dot(v, v)
    distance = square_u + square_v - 2 * product
    lengths = f"‖u‖ = {root(square_u)}, ‖v‖ = {root(square_v)}"
    squares = f"{square_u} + {square_v}"
    if asked == "distance":
        answer = root(distance)
        question = f"{lengths} and ⟨u, v⟩ = {product}. Find ‖u − v‖."
        steps = (
            Step(f"‖u − v‖² = {squares} − 2·{_signed(product)} = {distance}", 12),
            Step(f"‖u − v‖ = {_rooted(distance)}", 12),
        )
        slips = (
            Slip(number(distance), f"{distance} is the square of the distance: the last step takes the root", 12),
            *_root_if(distance + product, "the inner product counts twice: ‖u‖² + ‖v‖² − 2⟨u, v⟩", 12),
            *_root_if(distance + 4 * product, "the inner product is taken away: ‖u‖² + ‖v‖² − 2⟨u, v⟩", 12),
            *_root_if(square_u + square_v, "the inner product is missing: − 2⟨u, v⟩", 12),
        )
    elif asked == "product":
        answer = number(product)
        question = f"{lengths} and ‖u − v‖ = {root(distance)}. Find ⟨u, v⟩."
        steps = (
            Step(f"2⟨u, v⟩ = ‖u‖² + ‖v‖² − ‖u − v‖² = {squares} − {distance} = {2 * product}", 12),
            Step(f"⟨u, v⟩ = {product}", 12),
        )
        slips = (
            Slip(number(2 * product), f"{2 * product} is twice the inner product", 12),
            Slip(number(-product), "the sign: 2⟨u, v⟩ = ‖u‖² + ‖v‖² − ‖u − v‖²", 12),
            Slip(number(-2 * product), "the sign, and the half: ⟨u, v⟩ = (‖u‖² + ‖v‖² − ‖u − v‖²)/2", 12),
        )
    else:
        answer = number(product) / (root(square_u) * root(square_v))
        question = f"{lengths} and ‖u − v‖ = {root(distance)}. Find cos(u, v)."
        steps = (
            Step(f"2‖u‖‖v‖ cos(u, v) = ‖u‖² + ‖v‖² − ‖u − v‖² = {squares} − {distance} = {2 * product}", 12),
            Step(f"cos(u, v) = {2 * product} / (2 · {root(square_u)} · {root(square_v)}) = {answer}", 12),
        )
        slips = (
            Slip(number(product), "that is the inner product: it is still to be divided by both lengths", 12),
            Slip(number(2) * answer, "the factor 2 of the identity is missing", 12),
            Slip(-answer, "the sign: 2‖u‖‖v‖ cos(u, v) = ‖u‖² + ‖v‖² − ‖u − v‖²", 12),
        )
    return Draft(question, answer, steps, slips) if _fits(answer, level) or asked == "product" else None


# ---------------------------------------------------------------------------------------------- one-hot, lookup, growing vocabulary


def _unit(place: int, length: int) -> tuple[Surd, ...]:
    """Return the one-hot vector with its 1 at place 1..length."""
    return tuple(number(int(j == place)) for j in range(1, length + 1))


def _one_hot(random: Random, level: Level) -> Draft | None:
    n = level.dimension + 2
    i, j = _pick(random, 1, n), _pick(random, 1, n)
    asked = ("vector", "distance", "product")[_pick(random, 0, 2)]
    vocabulary = f"The vocabulary is {{1, …, {n}}}."
    if asked == "vector":
        slips = tuple(
            Slip(_unit(place, length), text, 5)
            for place, length, text in (
                (i + 1, n, f"the lecture counts from 1: the 1 stands at place {i}"),
                (i - 1, n, f"the lecture counts from 1: the 1 stands at place {i}"),
                (i, n - 1, f"a one-hot vector has one place a token: {n} of them"),
                (i, n + 1, f"a one-hot vector has one place a token: {n} of them"),
            )
        )
        steps: tuple[Step, ...] = (Step(f"(e_{i})_j is 1 for j = {i} and 0 for the other {n - 1} places", 5),)
        return Draft(f"{vocabulary} Write down the one-hot vector e_{i}.", _unit(i, n), steps, slips, "vector")
    if i == j:
        return None
    if asked == "distance":
        steps = (
            Step(f"e_{i} − e_{j} has a 1, a −1 and {n - 2} zeros", 5),
            Step("‖e_i − e_j‖ = √(1² + (−1)²) = √2, whichever two tokens they are (Remark 3.1)", 9),
        )
        slips = (
            Slip(number(2), "2 is the square of the distance: the last step takes the root", 9),
            Slip(number(1), "the vectors differ in two places, not in one", 5),
            Slip(number(0), "different tokens have different one-hot vectors", 5),
            Slip(root(n), "only two of the places differ, whatever the size of the vocabulary", 5),
            Slip(number(abs(i - j)), "the numbers of the tokens say nothing: all pairs are equally far apart (Remark 3.1)", 5),
        )
        return Draft(f"{vocabulary} Find the Euclidean distance of e_{i} and e_{j}.", root(2), steps, slips)
    steps = (Step(f"where e_{i} has its 1, e_{j} has a 0, and the other way round: every product is 0", 10),)
    slips = (
        Slip(number(1), "the two ones stand in different places and never meet", 10),
        Slip(number(2), "the two ones stand in different places and never meet", 10),
        Slip(root(2), "that is the distance (9); the inner product adds up products", 10),
    )
    return Draft(f"{vocabulary} Find the inner product of e_{i} and e_{j}.", number(0), steps, slips)


def _lookup(random: Random, level: Level) -> Draft | None:
    rows, columns = level.dimension, level.dimension + 1
    wide = Level(columns, level.largest, level.surds)
    weights = tuple(_draw(random, wide) for _ in range(rows))
    i = _pick(random, 1, columns)
    if level.surds == "whole":  # easy: one column
        x = tuple(int(j == i) for j in range(1, columns + 1))
        name = f"x = e_{i}"
        step = Step(f"W e_{i} = w_{i}, column {i} of W", 7)
    else:
        j = _pick(random, 1, columns)
        if i == j:
            return None
        a, b = _pick(random, 2, 4), _pick(random, -3, -1)
        x = tuple(a * (place == i) + b * (place == j) for place in range(1, columns + 1))
        name = f"x = {_column(x)}"
        step = Step(f"x = {a} e_{i} + ({b}) e_{j}, so Wx = {a} w_{i} + ({b}) w_{j}", 6)
    z = tuple(_dot(row, x) for row in weights)
    steps = (step, Step(f"z = {_column(z)}", step.equation))
    slips = tuple(_lookup_slips(weights, x, i))
    matrix = "; ".join(" ".join(map(str, row)) for row in weights)
    question = f"W = [{matrix}], {rows} rows and {columns} columns, and {name}. Find z = Wx."
    return Draft(question, tuple(map(number, z)), steps, slips, "vector")


def _lookup_slips(weights: tuple[Vector, ...], x: Vector, i: int) -> Iterator[Slip]:
    columns = tuple(zip(*weights, strict=True))
    if sum(map(abs, x)) == 1:
        for place in (i - 1, i + 1):
            if 1 <= place <= len(columns):
                text = f"that is column {place}: counting starts at 1, and W e_{i} is column {i}"
                yield Slip(tuple(map(number, columns[place - 1])), text, 7)
        if i <= len(weights):
            yield Slip(tuple(map(number, weights[i - 1])), f"that is row {i}: tokens are columns of W, so the answer is column {i}", 7)
    else:
        for place, weight in enumerate(x):
            if weight:
                less = tuple(_dot(row, x) - row[place] * weight for row in weights)
                yield Slip(tuple(map(number, less)), f"column {place + 1}, times {weight}, is missing", 6)
                once = tuple(_dot(row, x) - row[place] * (weight - 1) for row in weights)
                yield Slip(tuple(map(number, once)), f"column {place + 1} counts {weight} times", 6)
    yield Slip(tuple(number(sum(row)) for row in weights), "that adds all columns: x says which of them count, and how often", 6)


def _extension(random: Random, level: Level) -> Draft | None:
    d = level.dimension * _pick(random, 1, 4)
    n = _pick(random, 2, 12) * level.largest
    m = _pick(random, 1, level.largest)
    if len({d, n, m}) < len((d, n, m)):
        return None
    start = f"W is {d} x {n}: d_emb = {d}, d_in = {n}. The vocabulary gets {m} new token{'s' if m > 1 else ''}."
    asked = ("shape", "trained", "kept", "length")[_pick(random, 0, 3)]
    if asked == "shape":
        slips = tuple(
            Slip((number(a), number(b)), text, 6)
            for a, b, text in (
                (d + m, n, "new tokens are new columns of W, not new rows (section 4.5)"),
                (n + m, d, "the lecture's W has d_emb rows and one column a token: the other way round"),
                (d + m, n + m, "only columns are added: d_emb stays what it is (section 4.5)"),
                (d, n, "that is the shape before: each new token adds a column (section 4.5)"),
                (d, m, "those are the new columns alone; the old ones stay (section 4.5)"),
            )
        )
        steps = (Step(f"each new token adds an input node, so a column: {n} + {m} = {n + m} columns of {d} numbers", 6),)
        return Draft(f"{start} Which shape has W afterwards?", (number(d), number(n + m)), steps, slips, "shape")
    question, value, text, wrong = {
        "trained": (
            "How many weights are trained if only the new columns are?",
            d * m,
            f"{m} new column{'s' if m > 1 else ''} of {d} weights: {m}·{d} = {d * m}",
            ((d * (n + m), "that is all of W: only the new columns are trained"), (m, "each new column has d_emb weights")),
        ),
        "kept": (
            "How many weights stay what they were if only the new columns are trained?",
            d * n,
            f"{n} old columns of {d} weights: {n}·{d} = {d * n}",
            ((d * (n + m), "that counts the new columns too"), (n, "each old column has d_emb weights")),
        ),
        "length": (
            "How long are the one-hot vectors afterwards?",
            n + m,
            f"one place a token: {n} + {m} = {n + m}",
            (
                (n, "that was their length before"),
                (d + m, "they have one place a token, not one a dimension"),
                (m, "old tokens keep theirs"),
            ),
        ),
    }[asked]
    equation = 5 if asked == "length" else 6
    slips = tuple(Slip(number(slip), said, equation) for slip, said in wrong)
    return Draft(f"{start} {question}", number(value), (Step(text, equation),), slips)


KINDS = {
    "euclidean": "Euclidean distance of two vectors, Definition 5.1 (9)",
    "inner_product": "standard inner product of two vectors, Definition 5.2 (10)",
    "cosine": "cosine similarity of two vectors, Definition 5.3 (11)",
    "identity": "one measure from the others by the identity (12)",
    "one_hot": "one-hot vectors and their distances, Definition 3.1 (5)",
    "lookup": "z = Wx, for one-hot and other x, (6) and (7)",
    "extension": "shapes and weights when the vocabulary grows, section 4.5",
}
"""The kinds of problems and what each asks."""

ABOUT = {"euclidean": about_distance, "inner_product": about_product, "cosine": about_cosine}
"""The question that each measure asks about a pair of vectors."""

MAKERS: dict[str, Callable[[Random, Level], Draft | None]] = {
    **{measure: _drawn(about) for measure, about in ABOUT.items()},
    "identity": _identity,
    "one_hot": _one_hot,
    "lookup": _lookup,
    "extension": _extension,
}
"""The maker of each kind: draws numbers and gives a draft, or None where they do not fit the level."""
