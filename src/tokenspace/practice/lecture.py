"""The six worked answers of the lecture's section 5.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokenspace.practice.exact import exact_measure

if TYPE_CHECKING:
    from tokenspace.practice.exact import Measure
    from tokenspace.practice.surds import Surd


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
