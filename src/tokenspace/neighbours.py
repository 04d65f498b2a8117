"""Neighbours: what a table answers when it is asked for the nearest tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tokenspace.measures import Measure


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The nearest rows of a query, or of several, with their tokens; iterates as (token, score).

    Attributes
    ----------
    ids : array of shape (k,) or, for a batch, (q, k), int64
        Row ids, the closest first; -1 where leaving the query's words out left fewer than k.
    tokens : list of str, or list of q such lists
        Their tokens; shorter than k where ids are -1.
    scores : array of the shape of ids, float64
        The measure itself: distances rise, similarities fall. NaN for a cosine with a zero row, which ranks last.
    measure : str
        Which of the three.
    """

    ids: NDArray[np.int64]
    tokens: list[Any]
    scores: NDArray[np.float64]
    measure: Measure

    def __len__(self) -> int:
        """Return the number of neighbours, or of queries for a batch."""
        return len(self.tokens)

    def __iter__(self) -> Iterator[Any]:
        """Yield (token, score), or for a batch one `Neighbours` a query."""
        if self.ids.ndim == 1:
            yield from zip(self.tokens, self.scores.tolist(), strict=False)
        else:
            for ids, tokens, scores in zip(self.ids, self.tokens, self.scores, strict=True):
                yield Neighbours(ids, tokens, scores, self.measure)

    def __repr__(self) -> str:
        """Show tokens and scores."""
        if self.ids.ndim == 1:
            return f"Neighbours({self.measure}: {', '.join(f'{token} {score:.4f}' for token, score in self)})"
        return f"Neighbours({self.measure}: {len(self)} queries of {self.ids.shape[1]})"

    def _repr_html_(self) -> str:
        """Show tokens and scores in a notebook; of a batch the first queries."""
        from tokenspace.display import SHOWN, table_html  # noqa: PLC0415 - only a notebook asks

        if self.ids.ndim == 1:
            rows = [(token, float(score), int(row)) for (token, score), row in zip(self, self.ids, strict=False)]
            return table_html(("token", self.measure, "row"), rows, f"{len(rows)} nearest rows by {self.measure}")
        rest = f" of {len(self)} queries; the first {SHOWN} follow" if len(self) > SHOWN else ""
        shown = [one._repr_html_() for _, one in zip(range(SHOWN), self, strict=False)]
        return (f"<p>Nearest rows{rest}</p>" if rest else "") + "".join(shown)
