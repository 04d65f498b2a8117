"""Files of human judgements: pairs of words with a score, and analogy questions, in the forms they are passed around in."""

from __future__ import annotations

import csv
import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tokenspace.errors import EmptyFileError, EncodingError, FileContentError, MissingExtraError, NumberError, RowWidthError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

STANDARD_PAIRS = {"WordSim-353": "wordsim353.tsv", "SimLex-999": "simlex999.txt"}
STANDARD_ANALOGIES = {"questions-words": "questions-words.txt"}
STANDARD_TEXTS = {"Lee, texts": "lee.cor", "Lee, judgements": "similarities0-1.txt"}
"""The usual test sets and the files that gensim's wheel ships them in."""

QUESTION = 4
"""Words of an analogy question: a is to b as c is to d."""


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """Pairs of words and how similar people find them.

    Attributes
    ----------
    name : str
    pairs : tuple of (str, str)
    scores : tuple of float
        One a pair, on the file's own scale.
    """

    name: str
    pairs: tuple[tuple[str, str], ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Analogies:
    """Analogy questions by section.

    Attributes
    ----------
    name : str
    sections : tuple of (str, tuple of (str, str, str, str))
        Each section's name and its questions (a, b, c, d): a is to b as c is to d.
    """

    name: str
    sections: tuple[tuple[str, tuple[tuple[str, str, str, str], ...]], ...]


def standard_file(name: str) -> Path:
    """Return where gensim's wheel has one of the standard sets; gensim itself is not imported.

    Parameters
    ----------
    name : str
        "WordSim-353", "SimLex-999", "questions-words", "Lee, texts" or "Lee, judgements".

    Raises
    ------
    MissingExtraError
        If gensim is not installed, or was installed without them.
    """
    found = importlib.util.find_spec("gensim")
    for folder in (found.submodule_search_locations or []) if found else []:
        file = Path(folder, "test", "test_data", (STANDARD_PAIRS | STANDARD_ANALOGIES | STANDARD_TEXTS)[name])
        if file.is_file():
            return file
    message = f"{name} is taken from the package gensim, which is not installed here with its test data"
    raise MissingExtraError(message, hint="pip install gensim; or name files of your own with pairs= and analogies= (--pairs, --analogies)")


def read_pairs(path: str | os.PathLike[str], *, name: str = "") -> JudgedPairs:
    """Read pairs of words with a score.

    Parameters
    ----------
    path : str or path
        UTF-8. One pair a line: two words, then the score, which is the first number behind them; further fields are passed over. Fields
        stand between tabs, semicolons or commas, whichever the first line has, else between spaces. Lines that begin with "#" are
        passed over, and so is a first line without a number. WordSim-353, SimLex-999, MEN, RG-65, MTurk, SimVerb and Rare Words
        come like that.
    name : str, optional
        Left out, that of the file.

    Returns
    -------
    JudgedPairs

    Raises
    ------
    RowWidthError, NumberError
        If a line has fewer than three fields, or no finite number behind two words.
    EncodingError
        If a line is not UTF-8.
    EmptyFileError
        If there is no pair.
    """
    pairs: list[tuple[str, str]] = []
    scores: list[float] = []
    separator, first = None, True
    for number, line in _lines(path):
        if line.startswith("#") or not line.strip():
            continue
        if first:
            separator = next((mark for mark in "\t;," if mark in line), None)
        fields = [field.strip() for field in (next(csv.reader([line], delimiter=separator)) if separator else line.split())]
        score = next((value for value in map(_number, fields[2:]) if value is not None), None)
        heading, first = first and score is None and len(fields) > 2, False  # noqa: PLR2004 - two words and a score
        if heading:
            continue
        if len(fields) < 3 or not all(fields[:2]):  # noqa: PLR2004
            raise RowWidthError(path, f"expected two words and a score; seen {line.strip()!r:.60}", line=number)
        if score is None or not math.isfinite(score):
            raise NumberError(
                path, f"expected a number as the score of {fields[0]!r} and {fields[1]!r}; seen {fields[2]!r:.40}", line=number
            )
        pairs.append((fields[0], fields[1]))
        scores.append(score)
    if not pairs:
        raise EmptyFileError(path, "no line holds two words and a score")
    return JudgedPairs(name or Path(path).stem, tuple(pairs), tuple(scores))


def read_analogies(path: str | os.PathLike[str], *, name: str = "") -> Analogies:
    """Read analogy questions.

    Parameters
    ----------
    path : str or path
        UTF-8. One question a line: four words between spaces or tabs, the fourth the answer. A line ": name" begins a section; before
        the first such line the section has the name of the file. A folder stands for all its ``.txt`` files.
    name : str, optional
        Left out, that of the file or folder.

    Returns
    -------
    Analogies

    Raises
    ------
    RowWidthError
        If a line does not hold four words.
    EncodingError
        If a line is not UTF-8.
    EmptyFileError
        If there is no question.
    """
    path = Path(path)
    sections: dict[str, list[tuple[str, str, str, str]]] = {}
    for file in sorted(path.glob("*.txt")) if path.is_dir() else [path]:
        section = file.stem
        for number, line in _lines(file):
            words = line.split()
            if line.startswith(":"):
                section = line[1:].strip()
                sections.setdefault(section, [])
            elif words:
                if len(words) != QUESTION:
                    raise RowWidthError(file, f"expected four words, a b c d; seen {line.strip()!r:.60}", line=number)
                sections.setdefault(section, []).append((words[0], words[1], words[2], words[3]))
    if not any(sections.values()):
        raise EmptyFileError(path, "no line holds an analogy question", hint="one a line: four words, the fourth the answer")
    return Analogies(name or path.stem, tuple((section, tuple(questions)) for section, questions in sections.items()))


def _number(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:
        return None


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file and their numbers, from 1."""
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise EncodingError(path, f"expected UTF-8; seen byte {line[error.start]:#04x}", line=number) from None
            if "\0" in text:
                raise FileContentError(path, "expected text; seen a zero byte", line=number)
            yield number, text
