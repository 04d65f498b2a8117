r"""Answers as people type them, read into exact numbers: 4*sqrt(3), 4√3, sqrt(48), -3/2, \frac{1}{2}\sqrt{3}, 6.9282.

>>> str(read("2√12")), read("6.9282").places
('4*sqrt(3)', 4)
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tokenspace.errors import ArgumentError, MissingExtraError
from tokenspace.practice.surds import Surd

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 200
"""Characters of an answer; what is longer is no answer to these questions."""
MAX_DIGITS = 30
MAX_POWER = 16
MAX_DEPTH = 8
"""Bounds on a number, an exponent, and parts within parts, so that no answer is costly to compare."""

SPELLINGS = (
    (r"\\(?:left|right|,|;|!|quad)|\$", ""),
    (r"\\[dt]?frac\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}", r"((\1)/(\2))"),
    (r"\\sqrt\s*\{", "sqrt{"),
    (r"\\(?:cdot|times)|[·×∙⋅*]", "*"),
    (r"\*\s*\*", "^"),
    ("[\u2212\u2013\u2012]", "-"),
    ("[\u00f7\u2044\u2215]", "/"),
    ("²", "^2"),
    ("√", " sqrt "),
    (r"[{\[]", "("),
    (r"[}\]]", ")"),
)
"""Other ways to write the same, and ours: LaTeX, Unicode, other brackets."""

LEAD = re.compile(r"^\s*(?:[^=≈~]*[=≈~])?\s*")
TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d*)?|\.\d+)|(?P<root>sqrt|root)|(?P<sign>[-+*/^()]))", re.IGNORECASE)
DECIMAL = re.compile(r"([-+]?)\s*(\d+)[.,](\d+)|([-+]?)\s*[.,](\d+)")


@dataclass(frozen=True)
class Reading:
    """A number as it was typed.

    Parameters
    ----------
    exact : Surd or sympy expression
        Its value.
    places : int, optional
        Digits behind the point, for a plain decimal such as 6.9282, which may stand for any number close to it; else None.
    digits : int
        Significant digits of that decimal.
    """

    exact: Any
    places: int | None = None
    digits: int = 0

    def __str__(self) -> str:
        """Return the value."""
        return str(self.exact)


def read(text: str, *, tight: bool = False) -> Reading:
    """Read a number.

    Parameters
    ----------
    text : str
        Whole numbers, decimals, fractions, roots, sums, products, quotients and whole powers of them; what stands before "=" or "≈" is
        left out. A comma in a plain decimal is a point.
    tight : bool, default False
        Whether a product without a sign binds more tightly than a quotient: 3/2√21 is (3/2)√21, or with ``tight`` 3/(2√21).

    Returns
    -------
    Reading

    Raises
    ------
    ArgumentError
        If it is no such number; the place is shown.
    MissingExtraError
        If unlike roots are added or a root stands under a root, which takes SymPy.

    Notes
    -----
    Nothing is evaluated as Python. Products of roots are exact here; only sums of unlike roots are handed to SymPy.

    Examples
    --------
    >>> print(read("-3/(2*sqrt(21))"), read("sqrt(12) + sqrt(3)"), read("d = 4√3"))
    -3/(2*sqrt(21)) 3*sqrt(3) 4*sqrt(3)
    """
    if len(text) > LONGEST:
        message = f"expected a number of at most {LONGEST} characters, got {len(text):,}"
        raise ArgumentError(message)
    stripped = LEAD.sub("", text, count=1).strip().translate({0x2212: "-"})
    decimal = DECIMAL.fullmatch(stripped)
    if decimal:
        sign, whole, behind = (decimal[1], decimal[2], decimal[3]) if decimal[3] is not None else (decimal[4], "", decimal[5])
        if len(whole) + len(behind) <= MAX_DIGITS:
            value = Fraction(f"{sign}{whole or 0}.{behind}")
            return Reading(Surd.rational(value), len(behind), len((whole + behind).lstrip("0")))
    tree = _Parser(stripped, tight=tight).whole()
    exact: Any = _surd(tree)
    return Reading(exact if exact is not None else _symbolic(tree))


def read_numbers(text: str) -> tuple[Reading, ...]:
    """Read the numbers of a vector or a shape: ``[1, 0, 2]``, ``(1 0 2)ᵀ``, ``4 x 13``, ``1;0;2``.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of Reading

    Raises
    ------
    ArgumentError
        If one of them is no number.

    Examples
    --------
    >>> [str(number) for number in read_numbers("4 × 13")]
    ['4', '13']
    """
    inside = LEAD.sub("", text, count=1).strip().removesuffix("^T").removesuffix("ᵀ").strip()
    if inside[:1] in tuple("([{") and inside[-1:] in tuple(")]}"):
        inside = inside[1:-1]
    separator = r"\s*[,;]\s*|\s*\n\s*" if re.search(r"[,;\n]", inside) else r"(?<=\d)\s*[xX×]\s*(?=[-−]?\d)|\s+(?=[-−+.\d√s(])(?<![-+*/]\s)"
    pieces = [piece for piece in re.split(separator, inside.strip()) if piece.strip()]
    if not pieces:
        message = f"expected numbers, such as [1, 0, 2] or 4 x 13, got {text!r:.60}"
        raise ArgumentError(message)
    return tuple(read(piece) for piece in pieces)


class _Parser:
    """Recursive descent over sums, products, powers and roots; gives nested tuples of an operation and its parts."""

    def __init__(self, text: str, *, tight: bool) -> None:
        self.typed, self.tight = text, tight
        for spelling, ours in SPELLINGS:
            text = re.sub(spelling, ours, text)
        self.tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text) and text[place:].strip():
            found = TOKEN.match(text, place)
            if found is None or found.lastgroup is None:
                raise self.error(repr(text[place:].strip()[0]))
            self.tokens.append((found.lastgroup, found[found.lastgroup].lower()))
            place = found.end()
        self.place = self.depth = 0

    def error(self, seen: str) -> ArgumentError:
        message = f"expected a number such as -3, 7/2, 4*sqrt(3) or 6.9282, got {self.typed!r:.60}: {seen} does not fit"
        return ArgumentError(message, hint="write roots as sqrt(3) or √3, and products with * or side by side")

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "the end")

    def take(self, value: str) -> bool:
        if self.peek()[1] != value:
            return False
        self.place += 1
        return True

    def whole(self) -> tuple[Any, ...]:
        tree = self.sum()
        if self.peek()[0] != "end":
            raise self.error(repr(self.peek()[1]))
        return tree

    def sum(self) -> tuple[Any, ...]:
        tree = self.product()
        while self.peek()[1] in {"+", "-"}:
            sign = self.tokens[self.place][1]
            self.place += 1
            right = self.product()
            tree = ("+", tree, right if sign == "+" else ("neg", right))
        return tree

    def product(self) -> tuple[Any, ...]:
        tree = self.side_by_side() if self.tight else self.factor()
        while True:
            if self.take("*"):
                tree = ("*", tree, self.side_by_side() if self.tight else self.factor())
            elif self.take("/"):
                tree = ("/", tree, self.side_by_side() if self.tight else self.factor())
            elif self.starts_factor():
                tree = ("*", tree, self.factor())
            else:
                return tree

    def side_by_side(self) -> tuple[Any, ...]:
        tree = self.factor()
        while self.starts_factor():
            tree = ("*", tree, self.factor())
        return tree

    def starts_factor(self) -> bool:
        kind, value = self.peek()
        return kind in {"number", "root"} or value == "("

    def factor(self) -> tuple[Any, ...]:
        if self.take("+"):
            return self.factor()
        if self.take("-"):
            return ("neg", self.factor())
        tree = self.atom()
        return ("^", tree, self.factor()) if self.take("^") else tree

    def atom(self) -> tuple[Any, ...]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            seen = f"more than {MAX_DEPTH} parts within each other"
            raise self.error(seen)
        tree = self.unbounded_atom()
        self.depth -= 1
        return tree

    def unbounded_atom(self) -> tuple[Any, ...]:
        kind, value = self.peek()
        self.place += 1
        if kind == "number":
            if len(value) > MAX_DIGITS:
                seen = f"a number of {len(value)} digits"
                raise self.error(seen)
            return ("number", Fraction(value))
        if kind == "root":
            return ("^", self.atom(), ("number", Fraction(1, 2)))
        if value == "(":
            tree = self.sum()
            if not self.take(")"):
                raise self.error(repr(self.peek()[1]))
            return tree
        seen = value if kind == "end" else repr(value)
        raise self.error(seen)


def _surd(tree: tuple[Any, ...]) -> Surd | None:
    """Return the exact value, or None where it is not a rational number times one root."""
    operation, *parts = tree
    if operation == "number":
        return Surd.rational(parts[0])
    values = [_surd(part) for part in parts[:1] if operation == "^"] or [_surd(part) for part in parts]
    if None in values:
        return None
    if operation == "^":
        return _raised(values[0], _power(parts[1]))  # type: ignore[arg-type] # None has left above
    return SURD_OPERATIONS[operation](*values)


def _raised(base: Surd, power: Fraction) -> Surd | None:
    return _root(base) if power == Fraction(1, 2) else _whole_power(base, power)


def _quotient(top: Surd, bottom: Surd) -> Surd:
    _not_zero(bottom)
    return top / bottom


SURD_OPERATIONS: dict[str, Callable[..., Surd | None]] = {
    "neg": operator.neg,
    "+": Surd.plus,
    "*": operator.mul,
    "/": _quotient,
}
OPERATIONS: dict[str, Callable[..., Any]] = {"neg": operator.neg, "+": operator.add, "*": operator.mul, "/": operator.truediv}


def _power(tree: tuple[Any, ...]) -> Fraction:
    exponent = _surd(tree)
    value = None if exponent is None else exponent.fraction
    if value is None or (value != Fraction(1, 2) and (value.denominator != 1 or abs(value) > MAX_POWER)):
        message = f"expected 1/2 or a whole number of at most {MAX_POWER} as a power"
        raise ArgumentError(message, hint="write roots as sqrt(3) or √3")
    return value


def _root(base: Surd) -> Surd | None:
    if base.sign < 0:
        message = f"there is no square root of {base}, which is negative"
        raise ArgumentError(message)
    return None if base.fraction is None else Surd.root(base.fraction)


def _whole_power(base: Surd, power: Fraction) -> Surd:
    if power < 0:
        _not_zero(base)
    sign = 1 if power % 2 == 0 and base.sign else base.sign
    return Surd.rational(1) if power == 0 else Surd(sign, base.square ** int(power))


def _not_zero(divisor: Surd) -> None:
    if not divisor.sign:
        message = "there is no quotient by 0"
        raise ArgumentError(message)


def _symbolic(tree: tuple[Any, ...]) -> Any:
    """Return the value as a SymPy expression."""
    try:
        import sympy  # noqa: PLC0415 - slow, and wanted for unlike roots alone
    except ImportError as absent:
        message = "sums of unlike roots, and roots under roots, are compared by SymPy, which is not installed"
        raise MissingExtraError(message, hint='pip install "tokenspace[practice]", or write the answer with one root') from absent
    if tree[0] == "number":
        return sympy.Rational(tree[1].numerator, tree[1].denominator)
    if tree[0] == "^":
        power = _power(tree[2])
        return _symbolic(tree[1]) ** sympy.Rational(power.numerator, power.denominator)
    parts = [_symbolic(part) for part in tree[1:]]
    if tree[0] == "/" and sympy.simplify(parts[1]) == 0:
        message = "there is no quotient by 0"
        raise ArgumentError(message)
    return OPERATIONS[tree[0]](*parts)
