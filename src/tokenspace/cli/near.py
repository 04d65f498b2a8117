"""``tokenspace near TOKEN…``: the nearest tokens under each of the three measures, side by side."""

from __future__ import annotations

from typing import Any

import click

from tokenspace.cli import arguments, completion, output

EXAMPLES = """\b
tokenspace near king
tokenspace near "king - man + woman" "[0.1,0.2,...]" -m cosine -k 5
tokenspace near - < words.txt > neighbours.tsv
"""


@click.command("near", epilog=EXAMPLES)
@click.argument("tokens", metavar="TOKEN...", nargs=-1, required=True, shell_complete=completion.tokens)
@arguments.search_options
@arguments.engine_options
@click.option("--explain", is_flag=True, help="Say on standard error which path each search takes, and what each would cost.")
@arguments.table_option
@output.json_option
def command(tokens: tuple[str, ...], table: str, *, as_json: bool, **options: Any) -> None:
    """List the nearest tokens under each of the three measures.

    Each TOKEN is one query: a token of the table, an expression "king - man + woman", or a vector of numbers in brackets; "-" reads
    queries from standard input, one a line. A query's own tokens are left out of its neighbours.
    """
    answer(arguments.words(tokens), table=table, as_json=as_json, **options)


def answer(queries: Any, *, table: str, as_json: bool, measure: str, **options: Any) -> None:
    """Search lists of queries and print; what `near` and `analogy` share."""
    from tokenspace.cli import neighbours  # noqa: PLC0415 - brings NumPy, which --help does not need
    from tokenspace.measures import MEASURES  # noqa: PLC0415

    wanted = MEASURES if measure == "all" else (measure,)
    engine, address, keep = (options.pop(name) for name in ("engine", "address", "keep"))
    options["engine"] = arguments.engine(engine, address, keep, options["threads"])
    ranked = len(wanted) > 1 and (as_json or output.on_terminal()) and options["engine"] is None  # ranks need all keys, not the best
    found = neighbours.find(arguments.open_table(table), queries, measures=wanted, ranked=ranked, **options)  # type: ignore[arg-type]
    neighbours.write(found, table=table, as_json=as_json)
