"""Text in, a table out: one row a line, in bounded memory, taken up again where it was stopped.

While it runs, two files stand beside the output: the rows as they come, and a note of how many there are and what text they are of. The
table is written from them at the end, beside and then renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np

from tokenspace import progress
from tokenspace.encode.spread import blocks_over
from tokenspace.encode.weights import common_components, without
from tokenspace.engines import engine_of
from tokenspace.errors import ArgumentError, EmptyFileError, OutputError
from tokenspace.formats import FORMATS, check_ending, convert, recognition
from tokenspace.formats.native_file import Writer
from tokenspace.formats.registry import NATIVE
from tokenspace.formats.replacement import replacing
from tokenspace.native import WordCounts
from tokenspace.native.words import BREAK
from tokenspace.texts.bags import LONGEST
from tokenspace.texts.reading import line_blocks
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tokenspace.encode.encoder import Encoder
    from tokenspace.engines import Engine

    Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

OFTEN = 5.0
"""Seconds between two notes of what is done: a killed process loses no more."""

PASSED = 1 << 14
"""Rows read again at a time when the table is written."""

NAMES = ("number", "text")


@dataclass(frozen=True)
class Encoded:
    """What was encoded; as text, in one line.

    Attributes
    ----------
    out : str
    lines : int
        Of the text.
    rows : int
        Of the table: fewer where lines stand twice and rows are named by their text.
    d : int
    tokens : int
        Known tokens in all.
    unknown : int
        Lines without a known token, empty ones too, whose vector is zero.
    resumed : int
        Lines that were done before.
    seconds : float
    """

    out: str
    lines: int
    rows: int
    d: int
    tokens: int
    unknown: int
    resumed: int
    seconds: float

    def __str__(self) -> str:
        """Say it in one line."""
        zero = f", {self.unknown:,} of them without a known token: zero vectors" if self.unknown else ""
        before = f", {self.resumed:,} of them before" if self.resumed else ""
        return f"wrote {self.out}: {self.lines:,} lines{before}, {self.rows:,} rows × {self.d} numbers, {self.seconds:,.1f} s{zero}"

    def document(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return asdict(self)


def encode_lines(  # noqa: PLR0913 - all but three have a default
    encoder: Encoder,
    text: Source,
    out: str | os.PathLike[str],
    *,
    names: str = "number",
    remove: int = 0,
    resume: bool = False,
    force: bool = False,
    threads: int | None = None,
    engine: str | Engine | None = None,
) -> Encoded:
    """Encode each line of a text and write the vectors as a table.

    Parameters
    ----------
    encoder : Static or Transformer
    text : path, or several, or "-" for standard input
        UTF-8, one sentence a line; gzip and zstd are unpacked.
    out : path
        The table, in the format of its ending; without one, the native format.
    names : "number" or "text", default "number"
        What the rows' tokens are: the numbers of the lines, from 1, so that row i is line i + 1; or the lines, each different one once, in
        order of first appearance, empty ones left out.
    remove : int, default 0
        Directions that all vectors share, which are found among them and taken away: 1 for SIF.
    resume : bool, default False
        Go on where an encoding of this text into `out` was stopped.
    force : bool, default False
        Replace `out`.
    threads : int, optional
        Default: as many as CPUs this process may use. The table is the same for any number.
    engine : "local", "ray" or tokenspace.engines.Engine, optional
        Who encodes, a block of lines at a time: threads here, or the workers of a Ray cluster, which open the encoder under the same
        path. The table is the same. Left out, threads here, for a Transformer those of PyTorch.

    Returns
    -------
    Encoded

    Raises
    ------
    OutputError
        If `out` is there already, or cannot be written.
    ArgumentError
        If there is nothing to go on with, or it is of another text, encoder or setting; or if the ending of `out` is of no format that can
        be written.
    EmptyFileError
        If the text has no line.
    EncodingError, LineTooLongError, TableNotFoundError
        As `tokenspace.texts.reading.line_blocks` and the encoder have it.

    Notes
    -----
    Memory: some blocks of a megabyte of text and their vectors, and the rows' tokens: 8 bytes a line, or the different lines. What is
    done is told to whoever watches (`tokenspace.progress`), in bytes of the text. A stop, by Ctrl-C or an error, leaves what
    was done; the text is then read again up to there, and held against what it was, but not encoded again.
    """
    if names not in NAMES:
        message = f"names must be one of {', '.join(NAMES)}; seen {names!r}"
        raise ArgumentError(message)
    if not 0 <= remove <= encoder.d:
        message = f"remove must be in 0..{encoder.d}; seen {remove}"
        raise ArgumentError(message)
    path, began = Path(out), time.monotonic()
    if path.suffix:
        check_ending(path)
    if path.exists() and not (force or resume):
        message = f"{path} is there already"
        raise OutputError(message, hint="name another file, or replace it with force=True (--force)")
    settings = {"encoder": encoder.fingerprint(), "names": names, "d": encoder.d}
    with _State.opened(path, settings, resume=resume) as state:
        resumed = state.lines
        _encode(encoder, text, state, threads, None if engine is None else engine_of(engine, threads=threads))
        if not state.lines:
            raise EmptyFileError(_name(text), "expected a line of text, seen none")
        vocabulary = state.vocabulary(names)
        _write(path, state, vocabulary, remove)
    state.forget()
    return Encoded(str(path), state.lines, state.rows, encoder.d, state.tokens, state.unknown, resumed, round(time.monotonic() - began, 3))


def _name(text: Source) -> str:
    names = [text] if isinstance(text, (str, os.PathLike)) else list(text)
    return "standard input" if str(names[0]) == "-" else str(names[0])


class _State:
    """The rows so far, in a file, and the note of what they are of."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.note, self.data = (path.with_name(path.name + end) for end in (".encoding.json", ".encoding.rows"))
        self.settings = settings
        self.lines = self.rows = self.bytes = self.tokens = self.unknown = 0
        self.before = ("", 0)  # digest and bytes of the text that was done before, until they are read again
        self.digest = hashlib.blake2b(digest_size=16)
        kinds = np.zeros(256, dtype=np.uint8)
        kinds[ord("\n")] = BREAK
        self.seen = WordCounts(kinds, every=True, longest=LONGEST)
        self.file: IO[bytes]

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path, settings: dict[str, Any], *, resume: bool) -> Iterator[Self]:
        """Open it, anew or where it stopped; whatever ends the work, what was done is noted."""
        self = cls(path, settings)
        try:
            if resume:
                self._take_up()
            self.file = self.data.open("r+b" if resume else "wb")
        except OSError as error:
            message = f"{self.data} cannot be written: {error.strerror or error}"
            raise OutputError(message) from None
        with self.file:
            self.file.truncate(4 * self.settings["d"] * self.rows)
            self.file.seek(0, os.SEEK_END)
            try:
                yield self
            except BaseException:
                with contextlib.suppress(OSError):
                    self.record()
                raise

    def _take_up(self) -> None:
        if not (self.note.exists() and self.data.exists()):
            message = f"there is nothing to go on with: no {self.note}"
            raise ArgumentError(message, hint="it is there after a stop; start anew without resume (--resume)")
        told = json.loads(self.note.read_text())
        differing = [name for name in self.settings if told["settings"].get(name) != self.settings[name]]
        if differing:
            message = f"the encoding that was stopped had another {differing[0]}"
            raise ArgumentError(message, hint="give the same values, or start anew without resume (--resume)")
        for name in ("lines", "rows", "tokens", "unknown"):
            setattr(self, name, int(told[name]))
        self.before = told["digest"], int(told["bytes"])

    def record(self) -> None:
        """Note what is done."""
        if self.before[1]:
            return  # what was done before is still read again, and may be of another text
        self.file.flush()
        told = {"settings": self.settings, "digest": self.digest.hexdigest(), "bytes": self.bytes}
        told |= {name: getattr(self, name) for name in ("lines", "rows", "tokens", "unknown")}
        beside = self.note.with_name(self.note.name + ".new")
        beside.write_text(json.dumps(told))
        beside.replace(self.note)

    def fresh(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield what is left of a text: its beginning must be what was done before."""
        for block in blocks:
            digest, before = self.before
            there = max(0, min(len(block), before - self.bytes))
            if there:
                self.take(block[:there])
                if self.bytes == before and self.digest.hexdigest() != digest:
                    message = "the text does not begin as the one whose encoding was stopped"
                    raise ArgumentError(message, hint="start anew without resume (--resume)")
                if self.bytes == before:
                    self.before = ("", 0)
            if there < len(block):
                yield block[there:]
        if before := self.before[1]:
            message = f"the text ends at byte {self.bytes:,}; {before:,} were encoded before the stop"
            raise ArgumentError(message, hint="start anew without resume (--resume)")

    def take(self, block: bytes) -> NDArray[np.int32] | None:
        """Take in the bytes of lines; return the numbers of their texts where rows are named by them."""
        self.digest.update(block)
        self.bytes += len(block)
        return self.seen.ids(block) if self.settings["names"] == "text" else None

    def vocabulary(self, names: str) -> Vocabulary:
        """Return the rows' tokens."""
        if names == "number":
            return numbers(self.rows)
        data, offsets, _ = self.seen.words()
        return Vocabulary.from_arrays(data, offsets)

    def forget(self) -> None:
        """Take both files away."""
        for file in (self.note, self.data):
            file.unlink(missing_ok=True)


def _encode(encoder: Encoder, text: Source, state: _State, threads: int | None, engine: Engine | None) -> None:
    """Encode what is left of the text and append the rows."""
    waiting: list[bytes] = []
    recorded = time.monotonic()

    place = [0, 0]  # how far the text is read, and how long it is

    def watch(_what: str, done: int, total: int) -> None:
        place[:] = done, total
        progress.report("encoding", max(0, done - sum(map(len, waiting))), total)

    def blocks() -> Iterator[tuple[bytes, int]]:
        first = state.lines + 1
        for whole in state.fresh(line_blocks(text, watch)):
            parts = list(_parts(whole, encoder.together))
            waiting.extend(parts)
            for part in parts:
                yield part, first
                first += part.count(b"\n")

    if engine is None:
        means = encoder.blocks(blocks(), _name(text), threads=threads)
    else:
        means = blocks_over(engine, encoder, blocks(), _name(text))
    for rows, counts in means:
        block = waiting.pop(0)
        before = len(state.seen)
        ids = state.take(block)
        kept = rows if ids is None else rows[_first_times(ids, before)]
        state.file.write(np.ascontiguousarray(kept, dtype="<f4").data)
        state.lines += len(rows)
        state.rows += len(kept)
        state.tokens += int(counts.sum())
        state.unknown += int((counts == 0).sum())
        progress.report("encoding", max(0, place[0] - sum(map(len, waiting))), place[1])
        if time.monotonic() - recorded > OFTEN:
            state.record()
            recorded = time.monotonic()
    state.record()


def _parts(block: bytes, size: int) -> Iterator[bytes]:
    """Yield whole lines of a block, about `size` bytes at a time."""
    start = 0
    while start < len(block):
        end = block.rfind(b"\n", start, start + size) + 1 or block.find(b"\n", start) + 1
        yield block[start:end]
        start = end


def _first_times(ids: NDArray[np.int32], before: int) -> NDArray[np.int64]:
    """Return the lines, of some, whose text stands there for the first time; lines without text never do."""
    lines = np.cumsum(ids == -1) - (ids == -1)
    words = ids >= 0
    fresh, places = np.unique(ids[words], return_index=True)
    return np.sort(lines[words][places[fresh >= before]])


def numbers(n: int) -> Vocabulary:
    """Return the vocabulary of the tokens "1" to "n"."""
    digits, start = [], 1
    while start <= n:
        some = np.arange(start, min(10 * start, n + 1), dtype=np.int64)
        width = len(str(start))
        digits.append((some[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10 + ord("0")).astype(np.uint8))
        start *= 10
    lengths = [np.full(len(some), some.shape[1], dtype=np.int64) for some in digits]
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.concatenate([np.zeros(0, dtype=np.int64), *lengths]))])
    return Vocabulary.from_arrays(np.concatenate([np.zeros(0, dtype=np.uint8), *(some.ravel() for some in digits)]), offsets)


def _write(path: Path, state: _State, vocabulary: Vocabulary, remove: int) -> None:
    """Write the table from the rows: as a native one, from which that of another format is made."""
    if path.suffix and recognition.writer(FORMATS, path, None)[0] is not NATIVE:
        beside = path.with_name(path.name + ".encoding.tokenspace")
        try:
            _write(beside, state, vocabulary, remove)
            convert(beside, path, cache=False)
        finally:
            beside.unlink(missing_ok=True)
        return
    state.file.flush()
    d = int(state.settings["d"])
    components = None
    if remove:
        moment = np.zeros((d, d))
        for rows in _blocks(state.data, d):
            wide = rows.astype(np.float64)
            moment += wide.T @ wide
        components = common_components(moment, remove)
    try:
        with replacing(path) as file:
            writer = Writer(file)
            writer.begin(d, np.dtype(np.float32), state.rows)
            for rows in _blocks(state.data, d):
                writer.add(without(rows, components))
                progress.report(f"writing {path.name}", 4 * d * writer.n, 4 * d * state.rows)
            writer.finish(vocabulary)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}"
        raise OutputError(message, hint="is the disk full? the rows so far are kept: go on with resume=True (--resume)") from None


def _blocks(data: Path, d: int) -> Iterator[NDArray[np.float32]]:
    """Yield the rows in a file, read and not mapped, whose pages would count as this process's memory."""
    with data.open("rb") as file:
        while len(rows := np.fromfile(file, dtype="<f4", count=PASSED * d)):
            yield rows.reshape(-1, d)
