"""Nearest tokens under the three measures, as `near`, `analogy` and `tour` find and show them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import search
from tokenspace.cli import arguments, output
from tokenspace.errors import ZeroVectorError
from tokenspace.expressions import split
from tokenspace.formats.codes import codes_of
from tokenspace.measures import MEASURES, Measure, norms
from tokenspace.native import pair_sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from rich.table import Table

    from tokenspace.table import EmbeddingTable

TOGETHER = 64
"""Queries searched at a time: enough to share one pass over the rows, few enough for answers to come while lines still arrive."""

TITLES: dict[Measure, tuple[str, str]] = {
    "euclidean": ("Euclidean distance (9)", "distance"),
    "inner_product": ("inner product (10)", "product"),
    "cosine": ("cosine similarity (11)", "cosine"),
}
SHORT: dict[Measure, str] = {"euclidean": "euc", "inner_product": "inn", "cosine": "cos"}
LEGEND = "● in all three lists   ○ in this list only   ranks: the place under the other two measures"
NAMES = ("query", "measure", "rank", "token", "id", "score", "norm")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One row of a list: a token, its measure and length, and its place under every measure (empty if not asked for)."""

    rank: int
    token: str
    id: int
    score: float
    norm: float
    ranks: dict[Measure, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """The nearest tokens of one query, a list a measure."""

    query: str
    lists: dict[Measure, list[Neighbour]]

    def lists_with(self, token: str) -> int:
        """Return how many of the lists hold a token."""
        return sum(any(row.token == token for row in rows) for rows in self.lists.values())

    def mark(self, token: str) -> str:
        """Return the sign of a token that is in all lists, or in one only."""
        return {len(self.lists): "●", 1: "○"}.get(self.lists_with(token), " ") if len(self.lists) > 1 else " "


def find(
    table: EmbeddingTable,
    queries: Iterable[str],
    *,
    measures: Sequence[Measure] = MEASURES,
    k: int = 10,
    include_query: bool = False,
    threads: int | None = None,
    ranked: bool = False,
    explain: bool = False,
) -> Iterator[Answer]:
    """Yield the answer to each query.

    Parameters
    ----------
    table : EmbeddingTable
    queries : iterable of str
        Tokens, expressions, or vectors in brackets; read as they come.
    measures : sequence of str
        The lists wanted.
    k : int
        Neighbours a list.
    include_query : bool
        Whether a query's own tokens may be among its neighbours.
    threads : int, optional
        As `tokenspace.search.Exact` takes it.
    ranked : bool
        Whether each neighbour's place under all three measures is wanted: one more pass over the table a query.
    explain : bool
        Whether a note says which path each search takes.

    Raises
    ------
    UnknownTokenError
        If a token has no row.
    ZeroVectorError
        If a query is zero and the cosine is the only measure; beside others its list is empty, and a note says so.
    """
    codes = codes_of(table)
    searches = {measure: search.Exact(table.matrix, measure, threads=threads, codes=codes) for measure in measures}
    lengths = norms(table.matrix) if ranked else None
    waiting, told = iter(queries), set[tuple[str, str, str]]()
    while texts := list(islice(waiting, TOGETHER)):
        terms = [_terms(table, text) for text in texts]
        vectors = np.stack([vector for vector, _ in terms])
        for text, vector in zip(texts, vectors, strict=True):
            if "cosine" in measures and not vector.any():
                message = f"the query {text!r:.60} is the zero vector, for which the cosine is not defined (Definition 5.3)"
                if len(measures) == 1:
                    raise ZeroVectorError(message, hint="use -m euclidean")
                output.note(message)
        out = None if include_query else [own for _, own in terms]
        for measure, one in searches.items() if explain else ():
            plan = one.explain(len(texts), k)
            if (measure, plan.path, plan.reason) not in told:
                told.add((measure, plan.path, plan.reason))
                output.note(f"{len(texts)} queries, {measure}, {plan}")
        found = {measure: searches[measure].search(vectors, k, exclude=out) for measure in measures}
        for place, text in enumerate(texts):
            places = _places(table.matrix, vectors[place], lengths, [] if include_query else terms[place][1]) if lengths is not None else {}
            yield Answer(
                text,
                {m: _rows(table, found[m].ids[place], found[m].scores[place], places) for m in measures},
            )


def _terms(table: EmbeddingTable, text: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return a query's vector, and the rows of the tokens it names."""
    query = arguments.query_of(text)
    if not isinstance(query, str):
        arguments.check_length(query, table, text)
        return query, np.empty(0, dtype=np.int64)
    own = table.vocabulary.find(split(query, table.vocabulary)[0])  # a table with n-grams has a vector for words without a row
    return table.vector(query).astype(np.float64), own[own >= 0]


def _rows(
    table: EmbeddingTable, ids: NDArray[np.int64], scores: NDArray[np.float64], places: dict[Measure, NDArray[np.float64]]
) -> list[Neighbour]:
    """Name the rows found; none where the query has no cosine with any row."""
    kept = ids[: 0 if np.isnan(scores[:1]).any() else int((ids >= 0).sum())]  # -1, where there is one, comes last
    found = zip(table.vocabulary.tokens_of(kept), kept, scores, norms(table.matrix, kept), strict=False)
    return [
        Neighbour(rank, token, int(row), float(score), float(norm), {measure: _place(keys, row) for measure, keys in places.items()})
        for rank, (token, row, score, norm) in enumerate(found, start=1)
    ]


def _places(
    matrix: NDArray[Any], vector: NDArray[np.float64], lengths: NDArray[np.float64], without: NDArray[np.int64] | list[int]
) -> dict[Measure, NDArray[np.float64]]:
    """Return, for each measure, what rises with closeness, for all rows; minus infinity for those left out."""
    products = pair_sums("product", vector[None, :], matrix)
    keys: dict[Measure, NDArray[np.float64]] = {
        "euclidean": -pair_sums("difference", vector[None, :], matrix),
        "inner_product": products,
        "cosine": np.divide(products, lengths, out=np.full(len(lengths), -np.inf), where=lengths > 0),
    }
    for key in keys.values():
        key[without] = -np.inf
    return keys


def _place(keys: NDArray[np.float64], row: int) -> int:
    """Return a row's place: 1 and the rows that are closer, or as close and before it."""
    return 1 + int((keys > keys[row]).sum()) + int((keys[:row] == keys[row]).sum())


def write(answers: Iterable[Answer], *, table: str, as_json: bool) -> None:
    """Print answers as a terminal, a pipe or a program wants them."""
    if as_json:
        documents = [_document(answer, table) for answer in answers]
        output.write_json(documents[0] if len(documents) == 1 else documents)
    elif output.on_terminal():
        for answer in answers:
            show(answer)
    else:
        output.write_lines(NAMES, _fields(answers))


def _fields(answers: Iterable[Answer]) -> Iterator[tuple[object, ...]]:
    for answer in answers:
        for measure, rows in answer.lists.items():
            for row in rows:
                yield answer.query, measure, row.rank, row.token, row.id, row.score, row.norm


def _document(answer: Answer, table: str) -> dict[str, Any]:
    return {
        "table": table,
        "query": answer.query,
        "neighbours": {
            measure: [
                {"token": row.token, "id": row.id, "score": row.score, "rank": row.rank, "norm": row.norm}
                | ({"ranks": row.ranks} if row.ranks else {})
                for row in rows
            ]
            for measure, rows in answer.lists.items()
        },
    }


def show(answer: Answer) -> None:
    """Print one answer on a terminal: the lists side by side, or one under the other where they do not fit."""
    from rich.measure import Measurement  # noqa: PLC0415 - on a terminal alone
    from rich.table import Table  # noqa: PLC0415

    console = output.console()
    console.print(f"nearest to {output.printable(answer.query)}", style="bold")
    lists = [_list(answer, measure) for measure in answer.lists]
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_row(*lists)
    if Measurement.get(console, console.options.update(max_width=10_000), grid).maximum <= console.width:
        console.print(grid)
    else:
        for one in lists:
            console.print(one)
    if len(answer.lists) > 1:
        console.print(LEGEND, style="dim")


def _list(answer: Answer, measure: Measure) -> Table:
    """Return one measure's list as rich's table."""
    from rich.table import Table  # noqa: PLC0415 - on a terminal alone
    from rich.text import Text  # noqa: PLC0415

    title, score = TITLES[measure]
    others = [other for other in MEASURES if other != measure]
    ranked = any(row.ranks for row in answer.lists[measure])
    sheet = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    sheet.add_column("", width=1)
    sheet.add_column("token", max_width=24, no_wrap=True, overflow="ellipsis")
    for name in (score, "norm", *([f"{SHORT[others[0]]}/{SHORT[others[1]]}"] if ranked else [])):
        sheet.add_column(name, justify="right", header_style="dim", no_wrap=True)
    for row in answer.lists[measure]:
        mark = answer.mark(row.token)
        style = {"●": "bold green", "○": "cyan"}.get(mark, "")
        ranks = "/".join(f"{row.ranks[other]}" for other in others if row.ranks)
        cells = [output.short(row.score), f"{row.norm:.2f}", *([ranks] if ranked else [])]
        sheet.add_row(mark, Text(output.printable(row.token), style=style), *cells)
    return sheet


def plain(answer: Answer) -> Iterator[str]:
    """Yield the lists side by side as plain text, for the tour in a pipe."""
    columns = []
    for measure, rows in answer.lists.items():
        title, score = TITLES[measure]
        others = [other for other in MEASURES if other != measure]
        ranks = f"{SHORT[others[0]]}/{SHORT[others[1]]}"
        lines = [f"{title:<36}", f"  {'token':<12}{score:>8}{'norm':>6}{ranks:>8}"]
        lines += [
            f"{answer.mark(row.token)} {output.printable(row.token):<12.12}{output.short(row.score):>8}{row.norm:>6.2f}"
            f"{'/'.join(str(row.ranks[other]) for other in others if row.ranks):>8}"
            for row in rows
        ]
        columns.append(lines)
    deepest = max(map(len, columns))
    for line in range(deepest):
        yield "   ".join(f"{lines[line] if line < len(lines) else '':<36}" for lines in columns).rstrip()
