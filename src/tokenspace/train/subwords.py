"""Words made of pieces (fastText): a vector is the mean of the rows of a word's runs of letters, so that unseen words have one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native
from tokenspace.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tokenspace.vocabulary import Vocabulary

BLOCK = 4096
"""Words whose means are taken at a time."""


@dataclass(frozen=True)
class Subwords:
    """Which pieces words are made of.

    Attributes
    ----------
    minn, maxn : int
        Letters of a piece of "<word>", at least and at most.
    bucket : int
        Rows that pieces share, by a hash; it is fastText's.
    """

    minn: int
    maxn: int
    bucket: int

    def __post_init__(self) -> None:
        if not 1 <= self.minn <= self.maxn or self.bucket < 1:
            message = f"pieces need 1 <= minn <= maxn and a bucket; seen minn={self.minn}, maxn={self.maxn}, bucket={self.bucket}"
            raise ArgumentError(message, hint="maxn=0 makes words without pieces")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Subwords | None:
        """Return what settings ask for; None where they ask for no pieces."""
        return cls(settings["minn"], settings["maxn"], settings["bucket"]) if settings.get("maxn") else None

    @classmethod
    def buckets(cls, settings: Mapping[str, Any]) -> int:
        """Return the rows that settings ask for beside those of the words."""
        pieces = cls.of(settings)
        return pieces.bucket if pieces else 0

    def bags(self, words: Vocabulary) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the rows of each of n words: its own, then those of its pieces, n + bucket.

        Parameters
        ----------
        words : Vocabulary

        Returns
        -------
        begins : array of shape (n + 1,), int64
            Where each word's rows begin in the next.
        rows : array of shape (m,), int32
        """
        begins, pieces = native.word_pieces(words.data, words.offsets, minn=self.minn, maxn=self.maxn, buckets=self.bucket)
        n = len(words)
        rows = np.insert(pieces + np.int32(n), begins[:-1], np.arange(n, dtype=np.int32))
        return begins + np.arange(n + 1), rows.astype(np.int32, copy=False)

    def unseen(self, words: Sequence[str], n: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the rows of words that have none of their own in a vocabulary of n words, as `bags`."""
        encoded = [word.encode("utf-8", "surrogateescape") for word in words]
        offsets = np.zeros(len(words) + 1, dtype=np.int64)
        np.cumsum([len(word) for word in encoded], out=offsets[1:])
        data = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        begins, pieces = native.word_pieces(data, offsets, minn=self.minn, maxn=self.maxn, buckets=self.bucket)
        return begins, pieces + np.int32(n)


def means(inputs: NDArray[np.float32], begins: NDArray[np.int64], rows: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the means of bags of rows.

    Parameters
    ----------
    inputs : array of shape (r, d), float32
    begins : array of shape (n + 1,), int64
        Each bag holds one row at least.
    rows : array of shape (m,), int32

    Returns
    -------
    array of shape (n, d), float32
        Sums are taken in float64.
    """
    out = np.empty((len(begins) - 1, inputs.shape[1]), dtype=np.float32)
    for start in range(0, len(out), BLOCK):
        bounds = begins[start : start + BLOCK + 1]
        sums = np.add.reduceat(inputs[rows[bounds[0] : bounds[-1]]], bounds[:-1] - bounds[0], axis=0, dtype=np.float64)
        out[start : start + BLOCK] = sums / np.diff(bounds)[:, None]
    return out
