"""Text in pieces: from files, compressed or not, from standard input, and from token lists; no piece tears a word."""

from __future__ import annotations

import codecs
import math
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenspace.errors import ArgumentError, EncodingError, LineTooLongError, TableNotFoundError, TokenError, UnknownFormatError
from tokenspace.formats.packed import Unpacked, open_member
from tokenspace.formats.streams import Peeked, Plain, packing_of
from tokenspace.native.words import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tokenspace.formats.streams import Stream

PIECE = 1 << 20
"""Bytes of text a piece: a few milliseconds of work, and small beside a vocabulary."""

BLOCK = 1 << 16
"""Bytes read at a time: of standard input no more is waited for."""

LINE = 1 << 26
"""Bytes of a line, where lines are read whole: longer ones are no sentences."""

TOKEN_END, SENTENCE_END = b"\xff", b"\xfe"
"""Stand between tokens, and after sentences, of token lists: two bytes that UTF-8 never has, so that a token may hold blanks."""


def is_files(text: Any) -> bool:
    """Return whether `text` names files: one path, or a list or tuple of paths; a dash is standard input."""
    return isinstance(text, (str, os.PathLike)) or (
        isinstance(text, (list, tuple)) and bool(text) and all(isinstance(name, (str, os.PathLike)) for name in text)
    )


def file_pieces(
    text: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], watch: Callable[[str, int, int], None] | None
) -> Iterator[bytes]:
    """Yield the text of files, one after the other: about `PIECE` bytes at a time, cut behind a line or, in a longer one, behind a blank.

    Of a word that fills a whole piece only the beginning comes, which is too long for a word all the same. Each file's last sentence
    ends with it.

    Raises
    ------
    TableNotFoundError, ArgumentError
        If there is no such file, or it is a folder.
    EncodingError
        If it begins with the mark of UTF-16 or UTF-32.
    TruncatedFileError, CompressionError
        If a packed file (gzip, bzip2, xz, zstd, zip) ends too early, is damaged, or is an archive of more than one file.
    UnknownFormatError
        If standard input is a zip archive.
    MissingExtraError
        If a file is packed by zstd and nothing here reads that.
    """
    names, total = _checked_names(text)
    before = 0
    for name in names:
        with closing(_opened(name)) as stream:
            for piece in _cut(_unmarked(_blocks(stream), str(name))):
                if watch is not None:
                    watch("reading text", before + _taken(stream), total)
                yield piece
        yield b"\n"
        before += Path(name).stat().st_size if str(name) != "-" else 0


def line_blocks(
    text: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], watch: Callable[[str, int, int], None] | None = None
) -> Iterator[bytes]:
    r"""Yield the lines of files, whole ones, about `PIECE` bytes at a time; the last line of a file ends with ``\n`` too.

    Raises
    ------
    LineTooLongError
        If a line has more than `LINE` bytes.
    TableNotFoundError, ArgumentError, EncodingError, TruncatedFileError, CompressionError, UnknownFormatError, MissingExtraError
        As `file_pieces`.

    Notes
    -----
    Memory: a few MB, or a few times the longest line. A carriage return before a line end is taken for a part of it.
    """
    names, total = _checked_names(text)
    before = 0
    for name in names:
        rest: list[bytes] = []  # of a line whose end has not come
        size = lines = 0
        with closing(_opened(name)) as stream:
            for block in _unmarked(_blocks(stream, BLOCK if stream.total is None else PIECE), str(name)):
                if watch is not None:
                    watch("reading text", before + _taken(stream), total)
                end = block.rfind(b"\n") + 1
                size += len(block)
                if not end:
                    rest.append(block)
                    if size > LINE:
                        problem = f"expected lines of at most {LINE:,} bytes, seen a longer one"
                        raise LineTooLongError(name, problem, line=lines + 1, hint="is this text, with one sentence a line?")
                    continue
                whole = b"".join([*rest, block[:end]])
                lines += whole.count(b"\n")
                yield whole.replace(b"\r\n", b"\n")
                rest, size = [block[end:]], len(block) - end
        if last := b"".join(rest):
            yield last + b"\n"
        before += Path(name).stat().st_size if str(name) != "-" else 0


def list_pieces(sentences: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """Yield token lists, joined by `TOKEN_END` and ended by `SENTENCE_END`, about `PIECE` bytes at a time.

    Raises
    ------
    ArgumentError
        If a sentence is a string instead of a list of tokens.
    TokenError
        If a token is not a string, or is one that UTF-8 cannot hold.
    """
    gathered: list[bytes] = []
    size = 0
    for number, sentence in enumerate(sentences):
        if isinstance(sentence, (str, bytes)):
            message = f"sentence {number:,} must be a list of tokens; seen the one {type(sentence).__name__} {sentence!r:.60}"
            raise ArgumentError(message, hint="split it into tokens: sentence.split()")
        try:
            joined = TOKEN_END.join(map(str.encode, sentence)) + SENTENCE_END
        except (TypeError, UnicodeEncodeError) as error:
            message = f"sentence {number:,} must be a list of strings that UTF-8 can hold: {error!s:.120}"
            raise TokenError(message) from None
        gathered.append(joined)
        size += len(joined)
        if size >= PIECE:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


def _checked_names(
    text: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> tuple[list[str | os.PathLike[str]], int]:
    """Return the files, all of which are there, and their bytes."""
    names = [text] if isinstance(text, (str, os.PathLike)) else list(text)
    for name in names:
        if str(name) != "-" and not Path(name).exists():
            message = f"no such file: {name}"
            hint = "a text that is in memory is given as lists of tokens: [line.split() for line in lines]"
            raise TableNotFoundError(message, hint=hint)
        if str(name) != "-" and Path(name).is_dir():
            message = f"{name} is a folder; a text is a file"
            raise ArgumentError(message, hint="name the files in it")
    total = sum(Path(name).stat().st_size for name in names if str(name) != "-")
    return names, total


def _opened(name: str | os.PathLike[str]) -> Stream:
    """Open a file, or take standard input, which is left open; unpacked where the first bytes say that it is packed.

    A text is not held in memory, so it may unpack to any number of bytes.
    """
    pipe, path = str(name) == "-", Path(name)
    file = sys.stdin.buffer if pipe else path.open("rb", buffering=0)
    plain = Peeked(Plain(file, size=None if pipe else os.fstat(file.fileno()).st_size, close=not pipe))
    packing = packing_of(plain.start)
    if packing == "zip":
        plain.close()
        if pipe:
            raise UnknownFormatError(path, "expected a text, seen a zip archive", hint="an archive is read from its end: save it first")
        return open_member(path, ratio=math.inf)
    return Unpacked(path, plain, packing, ratio=math.inf) if packing else plain


def _taken(stream: Stream) -> int:
    """Return the bytes of a file that are read; 0 of a pipe, whose size nobody knows."""
    return 0 if stream.total is None else stream.taken


def _blocks(stream: Stream, size: int = BLOCK) -> Iterator[bytes]:
    room = bytearray(size)
    while got := stream.fill(memoryview(room)):
        yield bytes(memoryview(room)[:got])


def _unmarked(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Leave UTF-8's mark at the beginning of a text out; refuse the marks of what is no UTF-8."""
    first = b""
    while len(first) < 4 and (block := next(blocks, b"")):  # noqa: PLR2004 - the longest mark
        first += block
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        problem = f"expected UTF-8, seen the mark of another encoding, {first[:4]!r}"
        raise EncodingError(name, problem, offset=0, hint="iconv -f UTF-16 -t UTF-8 FILE | tokenspace ... --text -")
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from blocks


def _cut(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Join blocks of any size and cut them again where a line or, failing that, a word ends."""
    parts: list[bytes] = []
    size = 0
    for block in blocks:
        parts.append(block)
        size += len(block)
        if size < PIECE:
            continue
        joined = b"".join(parts)
        end = 1 + (joined.rfind(b"\n") if b"\n" in joined else max(joined.rfind(blank) for blank in (b" ", b"\t", b"\r")))
        if end:
            yield joined[:end]
        rest = joined[end:] if end else joined[: LONGEST + 1]  # of a word that fills a piece, enough to show that it is too long
        parts, size = [rest], len(rest)
    yield b"".join(parts)
