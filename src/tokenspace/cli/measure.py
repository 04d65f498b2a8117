"""``tokenspace measure A B``: the three measures of one pair, with the numbers they are made of, and exactly where wanted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from tokenspace import queries
from tokenspace.cli import arguments, completion, output
from tokenspace.errors import ArgumentError

if TYPE_CHECKING:
    from tokenspace.measures import Comparison
    from tokenspace.table import EmbeddingTable

LINES = (
    ("euclidean", "Euclidean distance", "(9)", "‖u − v‖"),
    ("inner_product", "inner product", "(10)", "⟨u, v⟩"),
    ("cosine", "cosine similarity", "(11)", "⟨u, v⟩ / (‖u‖ ‖v‖)"),
    ("norm_u", "length of u", "", "‖u‖"),
    ("norm_v", "length of v", "", "‖v‖"),
    ("angle_degrees", "angle", "", "θ in degrees"),
    ("projection", "projection of v on u", "", "⟨u, v⟩ / ‖u‖"),
    ("identity_left", "identity, left side", "(12)", "‖u − v‖²"),
    ("identity_right", "identity, right side", "(12)", "‖u‖² + ‖v‖² − 2⟨u, v⟩"),
)
"""Each quantity: its name in TSV and JSON, in words, the lecture's equation, the formula."""


EXAMPLES = """\b
tokenspace measure king queen
tokenspace measure --exact "[2,-1,3]" "[1,2,-1]"
"""


@click.command("measure", epilog=EXAMPLES)
@click.argument("a", metavar="A", shell_complete=completion.tokens)
@click.argument("b", metavar="B", shell_complete=completion.tokens)
@click.option("--exact", is_flag=True, help="Also exact answers, in surds; for vectors given as numbers.")
@arguments.table_option
@output.json_option
def command(a: str, b: str, table: str, *, exact: bool, as_json: bool) -> None:
    """Measure two tokens or vectors: distance, inner product, cosine.

    A and B are tokens of the table, expressions such as "king - man", or vectors of numbers in brackets, which need no table.
    """
    from tokenspace.measures import compare  # noqa: PLC0415 - brings NumPy, which --help does not need

    numbers_a, numbers_b = queries.numbers_in(a), queries.numbers_in(b)
    if exact and not (numbers_a and numbers_b):
        message = "--exact needs two vectors given as numbers"
        hint = 'rows of a table are binary fractions without short surds; write tokenspace measure --exact "[2,-1,3]" "[1,2,-1]"'
        raise ArgumentError(message, hint=hint)
    opened = None if numbers_a and numbers_b else arguments.open_table(table)
    values = quantities(compare(_vector(a, opened), _vector(b, opened)))
    answers = exact_quantities(numbers_a, numbers_b) if exact and numbers_a and numbers_b else {}
    if math.isnan(values["cosine"]):
        output.note("the cosine similarity is undefined: a vector is zero, and Definition 5.3 leaves the zero vector out")
    if as_json:
        document: dict[str, Any] = {"u": a, "v": b, "table": table if opened is not None else None, **values}
        output.write_json({**document, "exact": answers} if exact else document)
    elif output.on_terminal():
        _show((a, b), values, answers)
    else:
        rows = [(name, "undefined" if math.isnan(values[name]) else values[name]) for name, *_ in LINES]
        if exact:
            output.write_lines(("quantity", "value", "exact"), [(*row, _answer(answers, row[0])) for row in rows])
        else:
            output.write_lines(("quantity", "value"), rows)


def _vector(text: str, table: EmbeddingTable | None) -> Any:
    """Return the vector typed in, or the one the table has for it."""
    query = queries.query_of(text)
    if table is None:
        return query
    if not isinstance(query, str):
        queries.check_length(query, table, text)
        return query
    return table.vector(query)


def quantities(pair: Comparison) -> dict[str, float]:
    """Return what is known of a pair under the names of `LINES`."""
    plain = {name: float(getattr(pair, name)) for name, *_ in LINES if hasattr(pair, name)}
    return {**plain, "angle_degrees": math.degrees(pair.angle), "identity_left": pair.identity[0], "identity_right": pair.identity[1]}


def exact_quantities(u: list[str], v: list[str]) -> dict[str, str | None]:
    """Return the quantities that are surds, as strings; None where undefined. Angles are no surds and are left out."""
    from tokenspace.practice import exact_identity, exact_measure  # noqa: PLC0415 - fractions are wanted by --exact alone

    distance, product = (exact_measure(u, v, measure=measure) for measure in ("euclidean", "inner_product"))
    norm_u, norm_v = (exact_measure(vector, ["0"] * len(vector), measure="euclidean") for vector in (u, v))
    left, right = exact_identity(u, v)
    return {
        "euclidean": str(distance),
        "inner_product": str(product),
        "cosine": str(product / (norm_u * norm_v)) if norm_u.sign and norm_v.sign else None,
        "norm_u": str(norm_u),
        "norm_v": str(norm_v),
        "projection": str(product / norm_u) if norm_u.sign else None,
        "identity_left": str(left),
        "identity_right": str(right),
    }


def _answer(answers: dict[str, str | None], name: str) -> str:
    return (answers[name] or "undefined") if name in answers else ""


def _show(names: tuple[str, str], values: dict[str, float], answers: dict[str, str | None]) -> None:
    from rich.table import Table  # noqa: PLC0415 - on a terminal alone

    u, v = (output.printable(name) for name in names)
    sheet = Table(title=f"u = {u}    v = {v}", title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, justify in (("", "left"), ("", "right"), ("formula", "left"), ("value", "right"), *([("exact", "right")] if answers else [])):
        sheet.add_column(name, justify=justify, header_style="dim")  # type: ignore[arg-type]
    for name, what, equation, formula in LINES:
        style = "bold" if name in arguments.WANTED else None
        value = output.short(values[name])
        sheet.add_row(what, equation, formula, value, *([_answer(answers, name)] if answers else []), style=style)
    output.console().print(sheet)
