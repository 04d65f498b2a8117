"""What a problem is: a question with one exact answer, its steps, and what the usual slips give instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tokenspace.practice.surds import Surd

if TYPE_CHECKING:
    from collections.abc import Callable

    Vector = tuple[int, ...]

Answer = Surd | tuple[Surd, ...]
"""A number, or the numbers of a vector or a shape."""

Form = Literal["number", "vector", "shape"]


@dataclass(frozen=True)
class Level:
    """How hard: dimension of the vectors, size of their numbers, and which roots the answer may have.

    Parameters
    ----------
    dimension : int
        Numbers a vector, d_emb.
    largest : int
        Largest absolute value of a number.
    surds : {"whole", "nice", "nasty"}
        Whether the answer is rational, has the root of at most 15 left in it, or of more than 15.
    """

    dimension: int
    largest: int
    surds: Literal["whole", "nice", "nasty"]


LEVELS = {"easy": Level(2, 5, "whole"), "medium": Level(3, 5, "nice"), "hard": Level(5, 9, "nasty")}
"""What `problem` takes as difficulty."""

SURDS: dict[str, Callable[[int], bool]] = {
    "whole": lambda radicand: radicand == 1,
    "nice": lambda radicand: radicand <= 15,  # noqa: PLR2004 - the lecture's own 4*sqrt(3) and 2*sqrt(21) lie on both sides
    "nasty": lambda radicand: radicand > 15,  # noqa: PLR2004
}


@dataclass(frozen=True)
class Step:
    """One line of a worked answer.

    Parameters
    ----------
    text : str
        What is computed, with its numbers.
    equation : int
        The lecture's equation that says so.
    """

    text: str
    equation: int


@dataclass(frozen=True)
class Slip:
    """A usual mistake and the answer it leads to.

    Parameters
    ----------
    answer : Surd or tuple of Surd
        What comes out of it.
    text : str
        The step that went wrong, and what is right.
    equation : int
        The lecture's equation for that step.
    """

    answer: Answer
    text: str
    equation: int


@dataclass(frozen=True)
class Problem:
    """A question with one exact answer.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    difficulty : str
        One of `LEVELS`, or the name of one of the lecture's own.
    seed : int
        Which of them: the same three give the same problem on every machine.
    question : str
        What is asked.
    form : {"number", "vector", "shape"}
        What the answer looks like.
    answer : Surd or tuple of Surd
        The exact answer.
    steps : tuple of Step
        How it is found.
    slips : tuple of Slip
        What the usual mistakes give instead; none of them equals the answer.
    """

    kind: str
    difficulty: str
    seed: int
    question: str
    form: Form
    answer: Answer
    steps: tuple[Step, ...]
    slips: tuple[Slip, ...]

    @property
    def label(self) -> str:
        """What names it again: kind, difficulty and seed, as ``cosine/hard/7``."""
        return f"{self.kind}/{self.difficulty}/{self.seed}"

    @property
    def equation(self) -> int:
        """The lecture's equation that gives the answer."""
        return self.steps[-1].equation


@dataclass(frozen=True)
class Draft:
    """What the maker of one kind gives: all of a problem but its name."""

    question: str
    answer: Answer
    steps: tuple[Step, ...]
    slips: tuple[Slip, ...]
    form: Form = "number"
