"""A corpus: text as ids in a mapped file, with its vocabulary and how often each token stands in it; made in one pass over the text."""

from __future__ import annotations

import mmap
import tempfile
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from tokenspace import native
from tokenspace.engines import local
from tokenspace.errors import ArgumentError, EncodingError, MissingExtraError, OutputError, TableNotFoundError
from tokenspace.native.words import BLANK, BREAK, LONGEST
from tokenspace.texts.reading import SENTENCE_END, TOKEN_END, file_pieces, is_files, list_pieces
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    Text = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Iterable[Sequence[str]]
    Watch = Callable[[str, int, int], None]

__all__ = ["Corpus", "read_corpus"]

PASSED = 1 << 20
"""Ids renumbered at a time, 4 MB."""

TEXT = "the text"
"""What errors name where a word has no file: its bytes may have come from any of them."""

CHUNK = 4096
"""Ids looked through at a time for the end of a sentence."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """Text as ids, mapped from a file that is gone when nobody uses it any more.

    Attributes
    ----------
    vocabulary : Vocabulary
        The tokens, most frequent first; tokens of one count in the order of their bytes. (Behind those of `base`, where that was
        given.)
    counts : array of shape (n,), int64
        How often each token stands in the text.
    ids : array of shape (m,), int32, read-only
        The text: row ids of `vocabulary`, and **-1 after the last token of each sentence**, never twice in a row and never in
        front. Words that are not in the vocabulary are left out, so that their neighbours become neighbours.
    tokens : int
        Ids that are no -1: ``counts.sum()``.
    seen : int
        Words of the text, those left out among them.
    """

    vocabulary: Vocabulary
    counts: NDArray[np.int64]
    ids: NDArray[np.int32]
    tokens: int
    seen: int
    _mapped: mmap.mmap

    def parts(self, size: int) -> list[tuple[int, int]]:
        """Return ranges of `ids` that cover it, of about `size` ids each, cut behind a sentence where one of at most `size` ids ends.

        Parameters
        ----------
        size : int
            At least 1.

        Returns
        -------
        list of pair of int
            (start, end) in order. They depend on the text and `size` alone, on no number of threads.
        """
        cuts = [0]
        while cuts[-1] < len(self.ids):
            wanted = cuts[-1] + size
            cut = min(wanted, len(self.ids))
            for start in range(wanted, min(wanted + size, len(self.ids)), CHUNK):
                breaks = np.flatnonzero(self.ids[start : min(start + CHUNK, wanted + size)] < 0)
                if breaks.size:
                    cut = start + int(breaks[0]) + 1
                    break
            cuts.append(cut if len(self.ids) - cut > size // 2 else len(self.ids))
        return list(pairwise(cuts))

    def release(self, start: int, end: int) -> None:
        """Give the memory back that holds ids start..end, where the system can be told; the next use reads them from the file again."""
        if hasattr(self._mapped, "madvise"):
            page = mmap.PAGESIZE
            first, last = -(-4 * start // page) * page, 4 * end // page * page
            if last > first:
                self._mapped.madvise(mmap.MADV_DONTNEED, first, last - first)


def check_words(corpus: Corpus) -> None:
    """Check that a text has two different words: a word is told from another.

    Raises
    ------
    ArgumentError
        If it has not.
    """
    different = int(np.count_nonzero(corpus.counts))
    if different < 2:  # noqa: PLR2004 - as said
        message = f"a training needs at least two different words; the text has {different}"
        raise ArgumentError(message, hint="give more text, or lower min_count (--min-count)")


def read_corpus(
    text: Text,
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    min_count: int = 5,
    max_vocabulary: int | None = None,
    base: Vocabulary | None = None,
    errors: str = "strict",
    threads: int | None = None,
    watch: Watch | None = None,
) -> Corpus:
    """Read a text once: count its words, choose a vocabulary, write it as ids.

    Parameters
    ----------
    text : str, path, list of them, or iterable of token lists
        Files, plain, gz or zst (told by their first bytes), one sentence a line; "-" is standard input. Or sentences as lists of
        tokens, gone through once, so a generator will do; such tokens may hold blanks.
    tokenizer : str or path, optional
        A Hugging Face ``tokenizer.json``, which then makes the tokens of files. Left out, words are what stands between ASCII's
        blanks (space, tab, line end, vertical tab, form feed), and a sentence ends with its line.
    min_count : int, default 5
        Words that stand in the text less often are left out.
    max_vocabulary : int, optional
        At most so many tokens, the most frequent ones; those of `base` are among them.
    base : Vocabulary, optional
        Tokens that keep their ids, however often they stand in the text; others come behind them.
    errors : "strict" or "surrogateescape", default "strict"
        What to do about a word of the vocabulary that is not UTF-8: refuse it, or keep its bytes as Python's file names do.
    threads : int, optional
        Threads that count; by default one for every CPU. The corpus is the same for any number.
    watch : callable, optional
        Called as ``watch(what, done, total)``, in bytes of the files.

    Returns
    -------
    Corpus

    Raises
    ------
    ArgumentError
        If an argument is outside, the text holds no word, or none stands in it often enough.
    TableNotFoundError, TruncatedFileError, CompressionError, MissingExtraError, TokenError
        If a file is not there, damaged, or cannot be read; if a token is no string.
    EncodingError
        If a word is not UTF-8.
    OutputError
        If the ids cannot be written to the folder of temporary files.

    Notes
    -----
    About 20 million words a second and thread. Memory: 40 to 80 bytes for each different word and thread, plus a few MB, however
    long the text is; the ids lie in a temporary file (``TMPDIR``), 4 bytes a word. The vice: each different word is held until the
    text ends, also those that `min_count` leaves out then. Words above 65,536 bytes are dropped, with a warning.

    Examples
    --------
    >>> corpus = read_corpus([["new york", "is", "big"], ["new york"]], min_count=1)
    >>> list(corpus.vocabulary), corpus.counts.tolist(), corpus.ids.tolist()
    (['new york', 'big', 'is'], [2, 1, 1], [0, 2, 1, -1, 0, -1])
    """
    if min_count < 1 or (max_vocabulary is not None and max_vocabulary < 1):
        message = f"min_count and max_vocabulary must be at least 1; seen {min_count} and {max_vocabulary}"
        raise ArgumentError(message)
    if errors not in ("strict", "surrogateescape"):
        message = f"errors must be 'strict' or 'surrogateescape'; seen {errors!r}"
        raise ArgumentError(message)
    files = is_files(text)
    if tokenizer is not None and not files:
        message = "token lists are tokens already; a tokenizer is for files"
        raise ArgumentError(message, hint="leave the tokenizer out, or name files")
    pieces: Iterator[bytes] = file_pieces(text, watch) if files else list_pieces(text)  # type: ignore[arg-type] # is_files told
    count = local.thread_count(threads)
    counters: list[Any] = (
        [_Subwords(tokenizer)] if tokenizer is not None else [native.WordCounts(_kinds(files=files)) for _ in range(count)]
    )
    with tempfile.TemporaryFile(buffering=0) as ids:  # the mapping keeps it alive
        numbered = _number(pieces, counters, ids)
        whole, maps = counters[0], [np.arange(len(counters[0]), dtype=np.int32)]
        maps += [whole.join(other) for other in counters[1:]]
        _warn_of_dropped(whole.dropped)
        data, offsets, counts = whole.words()
        seen = int(counts.sum())
        if not seen:
            message = "the text holds no word" + (f": {text!s:.200}" if files else "")
            raise ArgumentError(message)
        vocabulary, final = _chosen(data, offsets, counts, min_count, max_vocabulary, base, errors)
        kept = np.zeros(len(vocabulary), dtype=np.int64)
        kept[final[final >= 0]] = counts[final >= 0]
        if not kept.any():
            message = f"of {len(counts):,} different words in a text of {seen:,} none stands in it {min_count} times, or is known"
            raise ArgumentError(message, hint="lower min_count (--min-count)")
        length = _renumber(ids, numbered, [final[numbers] for numbers in maps])
        mapped = mmap.mmap(ids.fileno(), 4 * length, access=mmap.ACCESS_READ)
    return Corpus(vocabulary, kept, np.frombuffer(mapped, dtype=np.int32), int(kept.sum()), seen, mapped)


def _kinds(*, files: bool) -> NDArray[np.uint8]:
    """Return what each byte is: in files ASCII's blanks and the line end, in token lists the two marks."""
    kinds = np.zeros(256, dtype=np.uint8)
    kinds[list(b" \t\r\v\f" if files else TOKEN_END)] = BLANK
    kinds[list(b"\n" if files else SENTENCE_END)] = BREAK
    return kinds


class _Subwords:
    """Counts the tokens that a Hugging Face tokenizer makes of lines, as `native.WordCounts` does words."""

    dropped = 0

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            from tokenizers import Tokenizer  # noqa: PLC0415 - an extra
        except ImportError:
            message = "a tokenizer.json is read with the package tokenizers, which is not installed"
            raise MissingExtraError(message, hint='pip install "tokenspace[transformers]"') from None
        try:
            self.tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001 - the package raises Exception itself
            message = f"no tokenizer could be read from {path}: {error!s:.120}"
            raise TableNotFoundError(message, hint="name the tokenizer.json of a model folder") from None
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.counted = np.zeros(self.tokenizer.get_vocab_size(with_added_tokens=True), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.counted)

    def ids(self, piece: bytes) -> NDArray[np.int32]:
        """Return the token ids of a piece's lines, -1 after each."""
        try:
            lines = piece.decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            seen = piece[error.start : error.start + 8]
            problem = f"expected UTF-8, seen {seen!r}"
            raise EncodingError(TEXT, problem, hint="a tokenizer needs letters") from None
        found: list[int] = []
        for number, line in enumerate(self.tokenizer.encode_batch_fast(lines, add_special_tokens=False)):
            found += line.ids
            found += [-1] * (number < len(lines) - 1)
        ids = np.array(found, dtype=np.int32)
        self.counted += np.bincount(ids[ids >= 0], minlength=len(self.counted))
        return ids

    def words(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
        """Return the tokens' bytes, where each begins, and the counts."""
        tokens = [(self.tokenizer.id_to_token(number) or "").encode() for number in range(len(self.counted))]
        offsets = np.zeros(len(tokens) + 1, dtype=np.int64)
        np.cumsum([len(token) for token in tokens], out=offsets[1:])
        return np.frombuffer(b"".join(tokens), dtype=np.uint8), offsets, self.counted


def _number(pieces: Iterator[bytes], counters: Sequence[Any], ids: IO[bytes]) -> list[tuple[int, int]]:
    """Write the pieces' ids, numbered by their counters; return for each piece which counter that was, and how many ids."""
    done: list[tuple[int, int]] = []
    waiting: deque[tuple[int, Future[NDArray[np.int32]]]] = deque()

    def settle(who: int, found: NDArray[np.int32]) -> None:
        _write(ids, found)
        done.append((who, len(found)))

    if len(counters) == 1:
        for piece in pieces:
            settle(0, counters[0].ids(piece))
        return done
    with ThreadPoolExecutor(len(counters)) as pool:
        for number, piece in enumerate(pieces):
            who = number % len(counters)
            if len(waiting) == len(counters):  # the oldest is this counter's
                settle(waiting[0][0], waiting.popleft()[1].result())
            waiting.append((who, pool.submit(counters[who].ids, piece)))
        for who, future in waiting:
            settle(who, future.result())
    return done


def _write(ids: IO[bytes], found: NDArray[np.int32]) -> None:
    try:
        view = memoryview(found.tobytes())
        while view.nbytes:
            view = view[ids.write(view) :]
    except OSError as error:
        message = f"the text's ids cannot be written to {tempfile.gettempdir()}: {error.strerror or error}"
        raise OutputError(message, hint="set TMPDIR to a folder with room for 4 bytes a word") from None


def _warn_of_dropped(dropped: int) -> None:
    if dropped:
        warnings.warn(f"{dropped:,} words of more than {LONGEST:,} bytes were dropped: is this text?", RuntimeWarning, stacklevel=3)


def _chosen(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    counts: NDArray[np.int64],
    min_count: int,
    max_vocabulary: int | None,
    base: Vocabulary | None,
    errors: str,
) -> tuple[Vocabulary, NDArray[np.int32]]:
    """Return the vocabulary, and for each word seen its id in it, or -1."""
    final = np.full(len(counts), -1, dtype=np.int32)
    if base is not None:
        final[:] = native.find_tokens(base.data, base.offsets, base.index, np.ascontiguousarray(data), np.ascontiguousarray(offsets))
    before = 0 if base is None else len(base)
    new = np.flatnonzero((counts >= min_count) & (final < 0))
    text = data.tobytes()
    words = [text[start:end] for start, end in zip(offsets[new].tolist(), offsets[new + 1].tolist(), strict=True)]
    order = sorted(range(len(new)), key=lambda at: (-int(counts[new[at]]), words[at]))
    order = order[: None if max_vocabulary is None else max(0, max_vocabulary - before)]
    if errors == "strict":
        _check_utf8([words[at] for at in order])
    final[new[order]] = before + np.arange(len(order), dtype=np.int32)
    added = np.zeros(len(order) + 1, dtype=np.int64)
    np.cumsum([len(words[at]) for at in order], out=added[1:])
    spelt = np.frombuffer(b"".join(words[at] for at in order), dtype=np.uint8)
    if base is None:
        return Vocabulary.from_arrays(spelt, added), final
    both = np.concatenate([base.offsets, added[1:] + base.offsets[-1]])
    return Vocabulary.from_arrays(np.concatenate([base.data, spelt]), both), final


def _check_utf8(words: list[bytes]) -> None:
    try:
        b"\n".join(words).decode()
    except UnicodeDecodeError:
        for word in words:
            try:
                word.decode()
            except UnicodeDecodeError:
                problem = f"expected UTF-8, seen the word {word[:40]!r}"
                hint = 'is it text? its bytes are kept with errors="surrogateescape" (--keep-bytes)'
                raise EncodingError(TEXT, problem, hint=hint) from None


def _renumber(ids: IO[bytes], numbered: list[tuple[int, int]], maps: list[NDArray[np.int32]]) -> int:
    """Write the final ids over the first ones, which are never fewer; return how many there are."""
    read = written = inside = 0
    for who, count in numbered:
        for start in range(0, count, PASSED):
            ids.seek(4 * (read + start))
            block = np.fromfile(ids, dtype=np.int32, count=min(PASSED, count - start))
            final, inside = native.renumber(block, maps[who], inside)
            ids.seek(4 * written)
            _write(ids, final)
            written += len(final)
        read += count
    if inside:
        ids.seek(4 * written)
        _write(ids, np.array([-1], dtype=np.int32))
        written += 1
    ids.truncate(4 * written)
    return written
