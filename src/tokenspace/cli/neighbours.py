"""Nearest tokens under the three measures, as `near`, `analogy` and `tour` find and show them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tokenspace import search
from tokenspace.cli import output
from tokenspace.errors import TokenspaceError, ZeroVectorError
from tokenspace.formats.codes import codes_of
from tokenspace.measures import MEASURES, Measure, norms
from tokenspace.queries import terms_of
from tokenspace.ranking import ranks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from rich.table import Table

    from tokenspace.engines import Engine
    from tokenspace.search import Found
    from tokenspace.table import EmbeddingTable

TOGETHER = 512
"""Queries searched at a time, where so many are at hand: as many as a search takes together. 64 cost it 1.6 times as much."""

TITLES: dict[Measure, tuple[str, str]] = {
    "euclidean": ("Euclidean distance (9)", "distance"),
    "inner_product": ("inner product (10)", "product"),
    "cosine": ("cosine similarity (11)", "cosine"),
}
SHORT: dict[Measure, str] = {"euclidean": "euc", "inner_product": "inn", "cosine": "cos"}
LEGEND = "● in all three lists   ○ in this list only   ranks: the place under the other two measures"
NONE = np.empty(0, dtype=np.int64)
NAMES = ("query", "measure", "rank", "token", "id", "score", "norm")


class Neighbour(NamedTuple):
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


def find(  # noqa: PLR0913 - the options of the command line
    table: EmbeddingTable,
    queries: Iterable[Sequence[str]],
    *,
    measures: Sequence[Measure] = MEASURES,
    k: int = 10,
    include_query: bool = False,
    threads: int | None = None,
    ranked: bool = False,
    explain: bool = False,
    engine: Engine | None = None,
) -> Iterator[Answer]:
    """Yield the answer to each query.

    Parameters
    ----------
    table : EmbeddingTable
    queries : iterable of sequences of str
        Tokens, expressions, or vectors in brackets; a sequence is answered before the next one is asked for.
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
    engine : Engine, optional
        Where the rows are searched, as `tokenspace.search.Exact` takes it.

    Raises
    ------
    UnknownTokenError
        If a token has no row.
    ZeroVectorError
        If a query is zero and the cosine is the only measure; beside others its list is empty, and a note says so.
    """
    codes = codes_of(table) if engine is None else None
    searches = {measure: search.Exact(table.matrix, measure, threads=threads, codes=codes, engine=engine) for measure in measures}
    lengths = norms(table.matrix) if ranked else None
    told = set[tuple[str, str, str]]()
    for texts, vectors, own, problem in _asked(table, queries, measures):
        for measure, one in searches.items() if explain and texts else ():
            plan = one.explain(len(texts), k)
            if (measure, plan.path, plan.reason) not in told:
                told.add((measure, plan.path, plan.reason))
                output.note(f"{len(texts)} queries, {measure}, {plan}")
        out = None if include_query else own
        found = {measure: _named(table, searches[measure].search(vectors, k, exclude=out)) for measure in measures if texts}
        for place, text in enumerate(texts):
            lists = {measure: rows[place] for measure, rows in found.items()}
            if lengths is not None:
                every = np.unique([row.id for rows in lists.values() for row in rows]).astype(np.int64)
                places = ranks(table.matrix, lengths, vectors[place], every, without=NONE if include_query else own[place], threads=threads)
                among = {measure: dict(zip(every.tolist(), each.tolist(), strict=True)) for measure, each in places.items()}
                for measure, rows in lists.items():
                    lists[measure] = [row._replace(ranks={other: among[other][row.id] for other in among}) for row in rows]
            yield Answer(text, lists)
        if problem is not None:
            raise problem


def _asked(
    table: EmbeddingTable, queries: Iterable[Sequence[str]], measures: Sequence[Measure]
) -> Iterator[tuple[Sequence[str], NDArray[np.float64], list[NDArray[np.int64]], TokenspaceError | None]]:
    """Yield queries, `TOGETHER` at the most, with vectors, the rows that each names, and what is wrong with the one after them."""
    for given in queries:
        for start in range(0, len(given), TOGETHER):
            texts = given[start : start + TOGETHER]
            rows = table.vocabulary.find(texts)
            vectors, own, problem = np.empty((len(texts), table.d)), [], None
            vectors[rows >= 0] = table.matrix[rows[rows >= 0]]
            for place, text in enumerate(texts):
                try:
                    if rows[place] < 0:
                        vectors[place], named = terms_of(table, text)
                    else:
                        named = rows[place : place + 1]
                    if "cosine" in measures and not vectors[place].any():
                        _say_zero(text, alone=len(measures) == 1)
                except TokenspaceError as error:
                    problem = error
                    break
                own.append(named)
            yield texts[: len(own)], vectors[: len(own)], own, problem


def _say_zero(text: str, *, alone: bool) -> None:
    message = f"the query {text!r:.60} is the zero vector, for which the cosine is not defined (Definition 5.3)"
    if alone:
        raise ZeroVectorError(message, hint="use -m euclidean")
    output.note(message)


def _named(table: EmbeddingTable, found: Found) -> list[list[Neighbour]]:
    """Return the rows found for each query, with names and lengths; none where the query has no cosine with any row."""
    real = found.ids >= 0  # -1, where there is one, comes last
    real[np.isnan(found.scores[:, :1]).any(axis=1)] = False
    ids = found.ids[real]
    rest = zip(table.vocabulary.tokens_of(ids), ids.tolist(), found.scores[real].tolist(), norms(table.matrix, ids).tolist(), strict=True)
    counts = real.sum(axis=1).tolist()
    return [[Neighbour(rank, *row, {}) for rank, row in enumerate(islice(rest, count), start=1)] for count in counts]


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
