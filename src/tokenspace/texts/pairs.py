"""Pairs and triples of sentences, with labels or without, from TSV, JSON lines and Parquet: SICK, the STS sets and files like them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenspace.errors import ArgumentError, EmptyFileError, EncodingError, HeaderError, LabelError, UnpairedRowError
from tokenspace.formats.extras import needed

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

COLUMNS = {
    "first": ("sentence_a", "sentence1", "sentence_1", "text1", "text_a", "anchor", "query", "premise", "question1", "first"),
    "second": ("sentence_b", "sentence2", "sentence_2", "text2", "text_b", "positive", "answer", "hypothesis", "question2", "second"),
    "third": ("negative", "sentence_c", "sentence3", "text3", "third"),
    "label": ("relatedness_score", "similarity_score", "similarity", "score", "label", "labels", "gold_label", "is_duplicate"),
}
"""Names by which a column is known, in the order of preference; compared in lower case."""

SHAPES: dict[int, tuple[tuple[int | None, dict[str, int]], ...]] = {
    2: ((None, {"first": 0, "second": 1}),),
    3: (
        (0, {"label": 0, "first": 1, "second": 2}),
        (2, {"first": 0, "second": 1, "label": 2}),
        (None, {"first": 0, "second": 1, "third": 2}),
    ),
    7: ((4, {"label": 4, "first": 5, "second": 6}),),
}
"""Files without a line of names: by the number of columns, which of them must be a number, and what each is. Seven are those of STS-B."""

STS_B = 7
"""Columns of STS-B's files; those of some years name the source in further ones."""

PARQUET = b"PAR1"


@dataclass(frozen=True)
class SentencePairs:
    """Sentences in pairs or triples.

    Attributes
    ----------
    name : str
        Where they come from.
    first, second : tuple of m str
    third : tuple of m str, or None
        Of triples: a sentence that is farther from the first than the second is.
    labels : tuple of m str, or None
        As they are written.
    lines : tuple of m int
        The line, or row, that each stands in, from 1.
    """

    name: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    third: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    lines: tuple[int, ...] = ()

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.first)

    def scores(self, low: float = -math.inf, high: float = math.inf) -> list[float]:
        """Return the labels as numbers.

        Parameters
        ----------
        low, high : float
            The range they must be in.

        Returns
        -------
        list of m float

        Raises
        ------
        LabelError
            If there are none, one is no number, or one is outside; its line is named.
        """
        found = []
        for line, label in zip(self.lines, self._labelled(), strict=True):
            try:
                value = float(label)
            except ValueError:
                raise LabelError(self.name, f"expected a number as label, seen {label!r:.40}", line=line) from None
            if not low <= value <= high:
                problem = f"expected a label in {low:g}..{high:g}, seen {label}"
                raise LabelError(self.name, problem, line=line, hint="say what they range over: scale=(0, 5) (--scale 0 5), say")
            found.append(value)
        return found

    def classes(self) -> tuple[list[str], list[int]]:
        """Return the different labels in the order of the alphabet, and which of them each pair has.

        Raises
        ------
        LabelError
            If there are none.
        """
        labels = self._labelled()
        names = sorted(set(labels))
        places = {name: place for place, name in enumerate(names)}
        return names, [places[label] for label in labels]

    def some(self, places: Sequence[int], name: str = "") -> SentencePairs:
        """Return some of them."""

        def of(column: tuple[Any, ...] | None) -> Any:
            return None if column is None else tuple(column[place] for place in places)

        return SentencePairs(name or self.name, of(self.first), of(self.second), of(self.third), of(self.labels), of(self.lines))

    def _labelled(self) -> tuple[str, ...]:
        if self.labels is None:
            raise LabelError(self.name, "expected labels, seen pairs without any", hint="name their column: columns={'label': 'score'}")
        return self.labels


def read_sentence_pairs(path: str | os.PathLike[str], *, columns: Mapping[str, str | int] | None = None) -> SentencePairs:
    """Read pairs or triples of sentences.

    Parameters
    ----------
    path : path
        Tab-separated lines, with a line of names or without; JSON lines; or Parquet. Told by content, never by name.
    columns : mapping, optional
        Which column is "first", "second", "third" or "label", by name or by number from 0. Left out, the names that SICK, STS-B and the
        common sets use; without a line of names two columns are a pair, three a pair with its score first or last, or a triple, and seven
        are STS-B's.

    Returns
    -------
    SentencePairs

    Raises
    ------
    UnpairedRowError
        If a row lacks a sentence; its line is named.
    HeaderError
        If it cannot be told which columns hold the sentences, or a column that was named is not there.
    EncodingError, EmptyFileError
        If it is not UTF-8, or holds no pair.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.

    Notes
    -----
    Quotation marks in tab-separated files are letters like any other. All of it is kept in memory.
    """
    file = Path(path)
    with file.open("rb") as begin:
        start = begin.read(4)
    wanted = dict(columns or {})
    if wrong := set(wanted) - set(COLUMNS):
        message = f"columns are named {', '.join(COLUMNS)}; seen {min(wrong)!r}"
        raise ArgumentError(message)
    if start == PARQUET:
        rows = _of_parquet(file)
    elif start.lstrip().startswith(b"{"):
        rows = _of_json(file)
    else:
        return _gathered(file, *_of_lines(file, wanted))
    names, listed = rows
    return _gathered(file, _named(file, names, wanted), listed)


def _gathered(file: Path, places: dict[str, int], rows: Iterator[tuple[int, Sequence[str | None]]]) -> SentencePairs:
    """Return the rows' columns; each row must have all its sentences."""
    found: dict[str, list[str]] = {name: [] for name in places}
    lines = []
    for line, row in rows:
        for name, place in places.items():
            value = row[place] if place < len(row) else None
            if value is None or (name != "label" and not value.strip()):
                problem = f"expected a {name} {'sentence' if name != 'label' else ''} in column {place + 1}, seen none".replace("  ", " ")
                kind = LabelError if name == "label" else UnpairedRowError
                raise kind(file, problem, line=line, hint="each row needs all its columns: fill it in or leave the row out")
            found[name].append(value)
        lines.append(line)
    if not lines:
        raise EmptyFileError(file, "expected pairs of sentences, seen none")
    third, labels = (tuple(found[name]) if name in found else None for name in ("third", "label"))
    return SentencePairs(str(file), tuple(found["first"]), tuple(found["second"]), third, labels, tuple(lines))


def _of_lines(file: Path, wanted: dict[str, str | int]) -> tuple[dict[str, int], Iterator[tuple[int, Sequence[str | None]]]]:
    """Return which columns are what, and the rows of a tab-separated file."""
    first = next(_lines(file), None)
    if first is None:
        raise EmptyFileError(file, "expected pairs of sentences, seen none")
    names = [name.strip().lower() for name in first[1]]
    named = any(isinstance(column, str) for column in wanted.values())
    header = named or all(any(name in names for name in COLUMNS[part]) for part in ("first", "second"))
    if header:
        places = _named(file, names, wanted)
    elif wanted:
        places = {part: int(column) for part, column in wanted.items()}
    else:
        places = _by_shape(file, first[1])
    return places, ((line, row) for line, row in _lines(file) if not (header and line == first[0]))


def _lines(file: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the fields of the lines that are not empty."""
    with file.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise EncodingError(file, f"expected UTF-8, seen {raw[error.start : error.start + 8]!r}", line=number) from None
            if text.strip():
                yield number, text.split("\t")


def _named(file: Path, names: list[str], wanted: dict[str, str | int]) -> dict[str, int]:
    """Return the places of the columns by their names."""
    places = {}
    for part, known in COLUMNS.items():
        column = wanted.get(part)
        if isinstance(column, int):
            places[part] = column
        elif column is not None:
            if column.lower() not in names:
                raise HeaderError(file, f"expected a column {column!r}, seen {', '.join(names)!s:.120}", line=1)
            places[part] = names.index(column.lower())
        elif found := [name for name in known if name in names]:
            places[part] = names.index(found[0])
    if missing := [part for part in ("first", "second") if part not in places]:
        problem = f"expected a column for the {missing[0]} sentence, seen {', '.join(names)!s:.120}"
        raise HeaderError(file, problem, line=1, hint="name it: columns={'first': ..., 'second': ...} (--column first=NAME)")
    return places


def _by_shape(file: Path, row: Sequence[str]) -> dict[str, int]:
    """Return which column is what where none has a name."""
    for number, places in SHAPES.get(min(len(row), STS_B), ()):
        if number is None or _is_number(row[number]):
            return places
    problem = f"cannot tell which of {len(row)} columns hold the sentences"
    raise (UnpairedRowError if len(row) == 1 else HeaderError)(
        file,
        problem if len(row) > 1 else "expected two sentences parted by a tab, seen one",
        line=1,
        hint="name them: columns={'first': 0, 'second': 1}",
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _of_json(file: Path) -> tuple[list[str], Iterator[tuple[int, list[str | None]]]]:
    """Return the names of the first object, and the rows of a file of JSON lines."""

    def objects() -> Iterator[tuple[int, dict[str, Any]]]:
        with file.open("rb") as lines:
            for number, raw in enumerate(lines, 1):
                if not raw.strip():
                    continue
                try:
                    told = json.loads(raw)
                except ValueError as error:
                    raise HeaderError(file, f"expected a JSON object a line: {error!s:.80}", line=number) from None
                if not isinstance(told, dict):
                    raise HeaderError(file, f"expected a JSON object a line, seen {type(told).__name__}", line=number)
                yield number, {str(key).lower(): value for key, value in told.items()}

    names = list(next(objects())[1])
    return names, ((line, [_text(told.get(name)) for name in names]) for line, told in objects())


def _of_parquet(file: Path) -> tuple[list[str], Iterator[tuple[int, list[str | None]]]]:
    """Return the columns' names, and the rows of a Parquet file."""
    parquet = needed("pyarrow.parquet", extra="arrow", why="reading Parquet", package="pyarrow")
    opened = parquet.ParquetFile(file)
    names = [str(name).lower() for name in opened.schema_arrow.names]

    def rows() -> Iterator[tuple[int, list[str | None]]]:
        number = 0
        for batch in opened.iter_batches():
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                number += 1
                yield number, [_text(value) for value in row]

    return names, rows()


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
