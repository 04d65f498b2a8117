"""Words made of pieces (fastText) in training: which rows of the first matrix are a word's. What they make is `tokenspace.subwords`'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native
from tokenspace.errors import ArgumentError
from tokenspace.subwords import check_lengths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tokenspace.vocabulary import Vocabulary


def buckets(settings: Mapping[str, Any]) -> int:
    """Return how many rows pieces share, beside those of the words; 0 where `settings` ask for no pieces.

    Raises
    ------
    ArgumentError
        If their minn, maxn and bucket do not fit together.
    """
    if not settings.get("maxn"):
        return 0
    try:
        check_lengths(settings["minn"], settings["maxn"], ("minn", "maxn"))
    except ArgumentError as error:
        raise ArgumentError(error.message, hint="maxn=0 makes words without pieces") from None
    bucket = settings["bucket"]
    if not 1 <= bucket < 1 << 31:
        message = f"bucket must be at least 1 and below 2^31; seen {bucket}"
        raise ArgumentError(message, hint="maxn=0 makes words without pieces")
    return int(bucket)


def bags(vocabulary: Vocabulary, settings: Mapping[str, Any]) -> tuple[NDArray[np.int64] | None, NDArray[np.int32] | None]:
    """Return the rows of each of n words: its own, then those of its pieces, behind the n.

    Parameters
    ----------
    vocabulary : Vocabulary
    settings : mapping
        With minn, maxn and bucket.

    Returns
    -------
    begins : array of shape (n + 1,), int64
        Where each word's rows begin in the next.
    rows : array of shape (m,), int32
        Both None where words are not made of pieces.
    """
    bucket, n = buckets(settings), len(vocabulary)
    if not bucket:
        return None, None
    lengths = {"minn": settings["minn"], "maxn": settings["maxn"]}
    begins, pieces = native.word_pieces(vocabulary.data, vocabulary.offsets, buckets=bucket, **lengths)
    rows = np.insert(pieces + np.int32(n), begins[:-1], np.arange(n, dtype=np.int32))
    return begins + np.arange(n + 1), rows.astype(np.int32, copy=False)
