"""fastText's .bin and .ftz: words, and vectors for unseen words from their character n-grams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import EmptyFileError, HeaderError, TrailingBytesError, TruncatedFileError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.product_codes import decoded
from tokenspace.formats.walk import Walk
from tokenspace.native.reference_text import MAX_TOKEN
from tokenspace.subwords import LONGEST, Subwords, SubwordTable, composed
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.vocabulary import Vocabulary

MAGIC = (793712314).to_bytes(4, "little")
VERSIONS = (11, 12)
SETTINGS = ("dim", "ws", "epoch", "minCount", "neg", "wordNgrams", "loss", "model", "bucket", "minn", "maxn", "lrUpdateRate")
"""The integers of the header, as fastText's options are called; the double t follows them."""

SUPERVISED = 3
"""The number of the classifier among `model`'s."""

END_OF_SENTENCE = "</s>"
"""The word that fastText cuts into no n-grams."""

CENTROIDS = 256

BLOCK = 1 << 18
"""Bytes of the dictionary read at a time."""


@dataclass(frozen=True)
class Dictionary:
    """Words as they stand in the file, and which buckets a pruned model has kept."""

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    kept: NDArray[np.int64] | None
    order: NDArray[np.int64] | None


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    walk = Walk(head.path, rows.mapped(head.path))
    settings = _settings(walk)
    d, bucket, pieces = settings["dim"], settings["bucket"], settings["maxn"]
    words = _dictionary(walk)
    n = len(words.starts)
    matrix, quantised = _matrix(walk, d, n, "the input matrix")
    _skip_output(walk, d, quantised=quantised)
    vocabulary = rows.vocabulary_of(
        head.path, walk.data, words.starts, words.lengths, place=lambda row: {"offset": int(words.starts[row])}, errors=reading.errors
    )
    rows.check_rows(head.path, matrix, lambda _row: {})
    expected = bucket if words.kept is None else len(words.kept)
    has_pieces = pieces > 0 and expected > 0 and len(matrix) > n
    if has_pieces and len(matrix) != n + expected:
        raise HeaderError(head.path, f"expected {n:,} rows of words and {expected:,} of n-grams, seen {len(matrix):,}")
    if not has_pieces:
        table = np.ascontiguousarray(matrix[:n]) if matrix.flags.aligned else matrix[:n].copy()
        return EmbeddingTable.mapped(vocabulary, rows.as_type(head.path, table, reading.dtype, lambda _row: {}), source=str(head.path))
    grams = matrix[n:] if words.order is None else matrix[n:][words.order]
    subwords = Subwords(grams, min_n=max(1, settings["minn"]), max_n=pieces, kept=words.kept, buckets=bucket)
    full = _composed(head, matrix[:n], subwords, vocabulary)
    return SubwordTable.of(vocabulary, rows.as_type(head.path, full, reading.dtype, lambda _row: {}), subwords, source=str(head.path))


def _composed(head: Head, own: NDArray[Any], subwords: Subwords, vocabulary: Vocabulary) -> NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):  # a sum too large is found when the rows are checked
        full = composed(own, subwords, vocabulary, bare=[END_OF_SENTENCE])
    rows.check_rows(head.path, full, lambda _row: {})
    return full


def _settings(walk: Walk) -> dict[str, int]:
    magic, version = walk.numbers("<4si", "the header")
    if magic != MAGIC:
        raise walk.wrong(8, f"expected a model that begins with {MAGIC!r}, seen {magic!r}")
    if version not in VERSIONS:
        raise walk.wrong(4, f"expected version {' or '.join(map(str, VERSIONS))}, seen {version}")
    settings = dict(zip(SETTINGS, walk.numbers("<12i", "the header"), strict=True))
    walk.numbers("<d", "the header")
    if version == VERSIONS[0] and settings["model"] == SUPERVISED:
        settings["maxn"] = 0  # classifiers had no n-grams then, whatever the file says
    d, bucket, least, most = (settings[name] for name in ("dim", "bucket", "minn", "maxn"))
    if not 1 <= d <= walk.end // 4 or bucket < 0:
        raise walk.wrong(56, f"expected dim of at least 1 and bucket of at least 0, seen {d:,} and {bucket:,}")
    if most > 0 and not 0 <= least <= most <= LONGEST:
        raise walk.wrong(20, f"expected 0 <= minn <= maxn <= {LONGEST}, seen {least:,} and {most:,}")
    return settings


def _dictionary(walk: Walk) -> Dictionary:
    size, words, labels, _tokens, pruned = walk.numbers("<iiiqq", "the dictionary's header")
    left = walk.left
    if words < 0 or labels < 0 or size != words + labels or size * 10 > left or pruned * 8 > left:
        seen = f"{size:,} entries, {words:,} words, {labels:,} labels, {pruned:,} n-grams kept"
        raise walk.wrong(28, f"expected a dictionary within {left:,} bytes, seen {seen}", hint="the header cannot be right")
    if not words:
        raise EmptyFileError(walk.path, "expected a word, seen none", offset=walk.at - 28)
    starts, lengths = np.empty(size, np.int64), np.empty(size, np.int64)
    with walk.path.open("rb") as file:
        at = walk.at
        file.seek(at)
        rest = b""
        base = at
        for entry in range(size):
            end = rest.find(b"\0", at - base)
            while end < 0 or end + 10 > len(rest):
                if len(rest) - (at - base) > MAX_TOKEN + 10:
                    raise HeaderError(walk.path, f"expected a word of at most {MAX_TOKEN:,} bytes as entry {entry + 1:,}", offset=at)
                block = file.read(BLOCK)
                if not block:
                    raise TruncatedFileError(walk.path, f"expected {size:,} words, and the file ends in number {entry + 1:,}", offset=at)
                rest, base = rest[at - base :] + block, at
                end = rest.find(b"\0")
            starts[entry], lengths[entry] = at, base + end - at
            if rest[end + 9] != (entry >= words):
                problem = f"expected a {'label' if entry >= words else 'word'} as entry {entry + 1:,}, seen type {rest[end + 9]}"
                raise HeaderError(walk.path, problem, offset=base + end + 9)
            at = base + end + 10
    walk.at = at
    if pruned < 0:
        return Dictionary(starts[:words], lengths[:words], None, None)
    pairs = np.frombuffer(walk.take(8 * pruned, "the list of n-grams kept").tobytes(), "<i4").reshape(-1, 2).astype(np.int64)
    by_bucket = np.argsort(pairs[:, 0], kind="stable")
    kept, order = pairs[by_bucket, 0], pairs[by_bucket, 1]
    if pruned and (kept[0] < 0 or np.any(np.diff(kept) < 1) or np.any(np.sort(order) != np.arange(pruned))):
        raise walk.wrong(8 * pruned, "expected the n-grams kept once each, with rows of their own")
    return Dictionary(starts[:words], lengths[:words], kept, order)


def _matrix(walk: Walk, d: int, n: int, what: str) -> tuple[NDArray[Any], bool]:
    """Return the input matrix, mapped or, if it is quantised, decoded."""
    (quantised,) = walk.numbers("<B", "the mark of a quantised model")
    if quantised > 1:
        raise walk.wrong(1, f"expected 0 or 1 for a quantised model, seen {quantised}")
    if quantised:
        return _quantised(walk, d, n), True
    m, width = walk.numbers("<qq", what)
    if width != d or m < n:
        raise walk.wrong(16, f"expected {what} of at least {n:,} rows of {d:,} numbers, seen {m:,} of {width:,}")
    return walk.take(4 * m * d, what).view("<f4").reshape(m, d), False


def _quantised(walk: Walk, d: int, n: int) -> NDArray[Any]:
    normed, m, width, count = walk.numbers("<?qqi", "the quantised matrix")
    codes = walk.take(count, "the codes")
    centroids = _quantiser(walk)
    if sum(each.shape[1] for each in centroids) != width or width != d or m < n or count != m * len(centroids):
        problem = f"expected codes for at least {n:,} rows of {d:,} numbers, seen {count:,} for {m:,} rows of {width:,}"
        raise walk.wrong(0, problem, hint="the header cannot be right")
    norms = None
    if normed:
        numbers = walk.take(m, "the codes of the norms")
        (values,) = _quantiser(walk, only=1)
        norms = values[:, 0][numbers]
    return decoded(walk.path, codes.reshape(m, len(centroids)), centroids, norms, size=walk.end)


def _quantiser(walk: Walk, *, only: int | None = None) -> list[NDArray[np.float32]]:
    """Return the centroids of each stretch of a row."""
    d, stretches, width, last = walk.numbers("<iiii", "a quantiser")
    sound = stretches >= 1 and width >= 1 and 1 <= last <= width and (stretches - 1) * width + last == d
    if not sound or only not in {None, stretches}:
        problem = f"expected stretches that make up a row, seen {stretches:,} of {width:,}, the last of {last:,}, for {d:,} numbers"
        raise walk.wrong(16, problem)
    flat = np.frombuffer(walk.take(4 * CENTROIDS * d, "the centroids").tobytes(), "<f4")
    cut = (stretches - 1) * width * CENTROIDS
    each = list(flat[:cut].reshape(stretches - 1, CENTROIDS, width))
    return [*each, flat[cut:].reshape(CENTROIDS, last)]


def _skip_output(walk: Walk, d: int, *, quantised: bool) -> None:
    """Pass over the output matrix, which only training needs, and hold the file's end against it."""
    (marked,) = walk.numbers("<B", "the mark of a quantised output")
    if quantised and marked:
        walk.numbers("<?", "the output matrix")
        return  # sizes of a quantised classifier's output follow; nothing here depends on them
    m, width = walk.numbers("<qq", "the output matrix")
    if width != d or m < 0:
        raise walk.wrong(16, f"expected an output matrix of rows of {d:,} numbers, seen {m:,} of {width:,}")
    walk.take(4 * m * d, "the output matrix")
    if walk.at < walk.end:
        problem = f"expected {walk.at:,} bytes, seen {walk.end:,}"
        raise TrailingBytesError(walk.path, problem, offset=walk.at, hint="what follows is not part of the model")


WAYS = Ways(lambda head: head.start.startswith(MAGIC), _read)
