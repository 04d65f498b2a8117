"""Every exception that tokenspace raises.

The tree; in brackets the built-in class that each one is as well, so that ``except ValueError`` and the like keep working::

    TokenspaceError
    ├── ArgumentError [ValueError]             an argument outside what the call accepts
    ├── ShapeError [ValueError]                arrays whose shapes do not fit together
    ├── DtypeError [TypeError]                 an array of a type that holds no embedding
    ├── NotFiniteError [ValueError]            NaN or infinity where numbers are needed
    ├── ZeroVectorError [ValueError]           the cosine of a zero vector, which does not exist
    ├── UnknownTokenError [KeyError]           a token that is not in the vocabulary
    ├── RowIdError [IndexError]                a row id outside 0..n-1
    ├── DuplicateTokenError [ValueError]       a token given twice
    ├── TokenError [ValueError]                something that cannot be a token
    ├── ImmutableError [AttributeError]        an attempt to change what stays what it is
    ├── ProofError [ValueError]                old rows that are not what they were
    ├── TableNotFoundError [FileNotFoundError] no such name, file or folder
    │   └── ShardNotFoundError                 a file that a table in several files needs
    ├── OutputError [OSError]                  an output that is there already, or that cannot be written
    ├── MissingExtraError [ImportError]        an optional package is needed
    ├── EngineError [RuntimeError]             machines that do the work and fail for good
    ├── StoreError [OSError]                   a database that refuses, or fails meanwhile
    │   ├── StoreUnreachableError [ConnectionError] nobody answers at that address, or not to that user
    │   ├── StoreTakenError [FileExistsError]  something else of that name is in the store
    │   └── ReadBackError [ValueError]         rows that do not read back as they were written
    └── FileContentError [ValueError]          a file whose bytes are not a table
        ├── UnknownFormatError                 no known format has such bytes
        ├── EmptyFileError                     no bytes, or no rows
        ├── HeaderError                        a header that is malformed or lies
        ├── TruncatedFileError                 the file ends too early
        ├── TrailingBytesError                 the file goes on after its last row
        ├── CompressionError                   a packed file that is damaged, or unpacks to more than a table would
        ├── RowWidthError                      a row with too few or too many numbers
        ├── NumberError                        a field that is not a number
        ├── EncodingError                      a token whose bytes are not UTF-8
        ├── LineTooLongError                   a line that no memory should have to hold
        ├── UnpairedRowError                   a sentence without the other of its pair
        ├── LabelError                         a pair's label that is no number, or outside its range
        ├── NotFiniteRowError [NotFiniteError] NaN or infinity in a row
        ├── DuplicateRowError [DuplicateTokenError] the same token in two rows
        ├── ChecksumError                      bytes that differ from their recorded digest
        ├── UnwritableError                    a table that the format cannot hold
        └── ModelFolderError                   a model folder that cannot be taken as one
            ├── MissingPartError               a file or a tensor that the folder should hold
            ├── OutsideFolderError             a path that leads out of the folder
            ├── UnknownArchitectureError       which tensors have a row a token cannot be told
            ├── SlowTokenizerError             a tokenizer without tokenizer.json
            ├── TokenizerMismatchError         a tokenizer whose ids are not the table's rows
            └── BaseMismatchError [ProofError] rows that were made for another model

A message says what was expected, what was seen and where. What to do stands in ``hint``, which ``str(error)`` appends after a line
break and the command line prints on a line of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike


class TokenspaceError(Exception):
    """The root of the tree: catches everything that tokenspace raises on purpose.

    Attributes
    ----------
    message : str
        What was expected and what was seen.
    hint : str
        What to do; empty where there is nothing to say.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message, and the hint on a second line."""
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Callable[..., TokenspaceError], tuple[object, ...]]:
        """Pickle by class and state, so that an error crosses a process border with its hint."""
        return _rebuild, (type(self), {**self.__dict__, "message": self.message, "hint": self.hint})


def _rebuild(kind: type[TokenspaceError], state: dict[str, object]) -> TokenspaceError:
    error = kind.__new__(kind)
    error.args = (state["message"],)
    error.__dict__.update(state)
    return error


class ArgumentError(TokenspaceError, ValueError):
    """An argument is outside what the call accepts."""


class ShapeError(TokenspaceError, ValueError):
    """Two arrays do not fit together, or one has the wrong number of axes."""


class DtypeError(TokenspaceError, TypeError):
    """An array's element type holds no embedding (text, objects, complex numbers...)."""


class NotFiniteError(TokenspaceError, ValueError):
    """NaN or infinity stands where a number is needed."""


class ZeroVectorError(TokenspaceError, ValueError):
    """The cosine of a zero vector was asked for; Definition 5.3 leaves it out."""


class UnknownTokenError(TokenspaceError, KeyError):
    """A token is not in the vocabulary.

    The nearest spellings are looked for when the message is first read, not when the error is made, so that asking for many
    unknown tokens in a loop stays cheap.

    Attributes
    ----------
    token : str
        The token asked for.
    suggestions : sequence of str
        The nearest spellings in the vocabulary, best first.
    """

    def __init__(self, token: str, *, size: int, suggest: Callable[[], Sequence[str]]) -> None:
        KeyError.__init__(self, token)
        self.token = token
        self.size = size
        self._suggest: Callable[[], Sequence[str]] | None = suggest
        self._suggestions: tuple[str, ...] = ()

    @property
    def suggestions(self) -> tuple[str, ...]:
        """The nearest spellings, best first."""
        if self._suggest is not None:
            self._suggestions = tuple(self._suggest())
            self._suggest = None
        return self._suggestions

    @property
    def message(self) -> str:  # type: ignore[override]
        """What was asked for and where."""
        return f"token {self.token!r} is not in the vocabulary of {self.size:,} tokens"

    @property
    def hint(self) -> str:  # type: ignore[override]
        """The nearest spellings as a question."""
        near = ", ".join(repr(token) for token in self.suggestions)
        return f"did you mean {near}?" if near else ""

    def __reduce__(self) -> tuple[Callable[..., TokenspaceError], tuple[object, ...]]:
        """Pickle with the suggestions found; the vocabulary stays behind."""
        return _rebuild_unknown, (self.token, self.size, self.suggestions)


def _rebuild_unknown(token: str, size: int, suggestions: tuple[str, ...]) -> UnknownTokenError:
    return UnknownTokenError(token, size=size, suggest=lambda: suggestions)


class RowIdError(TokenspaceError, IndexError):
    """A row id is outside 0..n-1."""


class DuplicateTokenError(TokenspaceError, ValueError):
    """A token was given twice; a vocabulary maps each token to one row.

    Attributes
    ----------
    rows : pair of int
        The two positions, the earlier first.
    """

    rows: tuple[int, int] = (-1, -1)


class TokenError(TokenspaceError, ValueError):
    """Something cannot be a token: not a string, or a string that UTF-8 cannot hold."""


class ImmutableError(TokenspaceError, AttributeError):
    """An attribute of an immutable value was to be set or deleted."""


class ProofError(TokenspaceError, ValueError):
    """Rows that were to stay as they were have changed."""


class TableNotFoundError(TokenspaceError, FileNotFoundError):
    """No table of that name, and no such file or folder."""


class ShardNotFoundError(TableNotFoundError):
    """A file that a table in several files is made of is not there, or cannot be fetched; it is named."""


class OutputError(TokenspaceError, OSError):
    """An output is there already, or cannot be written; what was there is as it was."""


class MissingExtraError(TokenspaceError, ImportError):
    """An optional package is needed; the hint has the command that installs it."""


class EngineError(TokenspaceError, RuntimeError):
    """The processes or machines that an engine runs work on fail, again and again; the part of the work is named."""


class StoreError(TokenspaceError, OSError):
    """A database refuses what was asked of it, or fails meanwhile; what it holds already stays there."""


class StoreUnreachableError(StoreError, ConnectionError):
    """Nobody answers at a database's address, or not to this user."""


class StoreTakenError(StoreError, FileExistsError):
    """Something else of that name is in the store, or somebody else is filling it."""


class ReadBackError(StoreError, ValueError):
    """Rows do not read back from a store as they were written."""


class FileContentError(TokenspaceError, ValueError):
    """A file's bytes are not a table, or not the table they claim to be.

    Attributes
    ----------
    path : str
        The file.
    line : int or None
        The line, from 1, in a text file.
    offset : int or None
        The byte, from 0.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        problem: str,
        *,
        line: int | None = None,
        offset: int | None = None,
        hint: str = "",
    ) -> None:
        place = str(path) + (f", line {line:,}" if line is not None else "") + (f", byte {offset:,}" if offset is not None else "")
        super().__init__(f"{place}: {problem}", hint=hint)
        self.path = str(path)
        self.problem = problem
        self.line = line
        self.offset = offset


class UnknownFormatError(FileContentError):
    """The bytes are those of no format that tokenspace reads."""


class EmptyFileError(FileContentError):
    """The file holds no bytes, or no rows."""


class HeaderError(FileContentError):
    """The header is malformed, or claims what the file does not hold."""


class TruncatedFileError(FileContentError):
    """The file ends before its last row does."""


class TrailingBytesError(FileContentError):
    """The file goes on after the last row that its header promised."""


class CompressionError(FileContentError):
    """A packed file is damaged, unpacks to more than any table would, or holds several files."""


class RowWidthError(FileContentError):
    """A row holds fewer or more numbers than the others."""


class NumberError(FileContentError):
    """A field that should be a number is not one."""


class EncodingError(FileContentError):
    """A token's bytes are not UTF-8."""


class LineTooLongError(FileContentError):
    """A line that no memory should have to hold."""


class UnpairedRowError(FileContentError):
    """A sentence without the other of its pair."""


class LabelError(FileContentError):
    """A pair's label that is no number, or outside its range."""


class NotFiniteRowError(FileContentError, NotFiniteError):
    """A row holds NaN or infinity, or a number too large for the element type."""


class DuplicateRowError(FileContentError, DuplicateTokenError):
    """Two rows have the same token."""


class ChecksumError(FileContentError):
    """The bytes differ from the digest that was recorded with them."""


class UnwritableError(FileContentError):
    """The format cannot hold this table (a token with a line break in a line-based format, say)."""


class ModelFolderError(FileContentError):
    """A model folder cannot be taken as one."""


class MissingPartError(ModelFolderError):
    """A file or a tensor that the folder should hold is not there."""


class OutsideFolderError(ModelFolderError):
    """A path in the folder's files, or a link in it, leads out of the folder."""


class UnknownArchitectureError(ModelFolderError):
    """Which tensors have one row a token cannot be told from their names and shapes."""


class SlowTokenizerError(ModelFolderError):
    """The tokenizer has no tokenizer.json, the one file that says how text becomes ids without running code."""


class TokenizerMismatchError(ModelFolderError):
    """The tokenizer's ids are not the rows of the table."""


class BaseMismatchError(ModelFolderError, ProofError):
    """Rows were made for a model with other old rows than this one."""
