"""``tokenspace index T``: the rows' 7-bit codes, kept beside the table."""

from __future__ import annotations

import click

from tokenspace.cli import arguments, completion, output

EXAMPLES = """\b
tokenspace index vectors.tokenspace
"""


@click.command("index", epilog=EXAMPLES)
@click.argument("name", metavar="[T]", required=False, shell_complete=completion.tables)
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to use.  [default: the CPUs at hand]")
@arguments.table_option
@output.json_option
def command(name: str | None, table: str, *, threads: int | None, as_json: bool) -> None:
    """Code a table's rows, so that its searches read a quarter of the bytes.

    Writes T.codes beside the table's file, d + 2 bytes a row; `near` and `analogy` map it from then on. Answers stay exact.
    """
    from tokenspace.errors import ArgumentError  # noqa: PLC0415 - --help needs none of these
    from tokenspace.formats.codes import codes_path, save_codes  # noqa: PLC0415
    from tokenspace.search import Exact  # noqa: PLC0415

    table = name or table
    opened = arguments.open_table(table)
    if not opened.source:
        message = f"{table} is a table in memory: there is no file to put its codes beside"
        raise ArgumentError(message, hint="convert it first: tokenspace convert A B.tokenspace")
    rows, middle = Exact(opened.matrix, "inner_product", threads=threads).code()
    path = codes_path(opened.source)
    save_codes(path, opened.matrix, rows, middle)
    size = path.stat().st_size
    if as_json:
        output.write_json({"table": table, "codes": str(path), "bytes": size, "of_table": size / opened.matrix.nbytes})
    else:
        output.note(f"{path}: {size / 1e6:.1f} MB, {size / opened.matrix.nbytes:.3f} of the matrix")
