"""``tokenspace shard T --rows N --out DIR``: a table in several files, for work on several machines."""

from __future__ import annotations

from pathlib import Path

import click

from tokenspace.cli import arguments, output
from tokenspace.cli.progress import Progress
from tokenspace.errors import ArgumentError

EXAMPLES = """\b
tokenspace shard words.tokenspace --rows 1000000 --out words.shards
tokenspace near king -t words.shards
"""


@click.command("shard", epilog=EXAMPLES)
@click.argument("name", metavar="[T]", required=False)
@click.option("--rows", type=click.IntRange(min=1), metavar="N", help="Rows of a shard.  [default: as many as 256 MiB hold]")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The folder to write.")
@click.option("--force", is_flag=True, help="Replace DIR if it is a table of shards already.")
@arguments.table_option
@output.json_option
def command(name: str | None, table: str, *, rows: int | None, out: Path, force: bool, as_json: bool) -> None:
    """Write a table as a folder of files with some rows each.

    Every file is a native table by itself; a list with their rows and digests makes them one. The folder is then a table like any other,
    mapped and not read; `--engine ray` works through it on many machines.
    """
    if out.exists() and not force:
        message = f"{out} exists"
        raise ArgumentError(message, hint="add --force to replace it")
    from tokenspace import formats  # noqa: PLC0415 - brings NumPy, which --help does not need
    from tokenspace.shards import shards_of  # noqa: PLC0415

    table = name or table
    opened = arguments.open_table(table)
    with Progress() as progress:
        written = formats.shard(opened, out, rows=rows, progress=progress)
    parts = shards_of(written.matrix) or []
    size = sum(part.stat().st_size for part in out.iterdir())
    document = {"from": table, "to": str(out), "rows": written.n, "dimensions": written.d, "dtype": str(written.dtype)}
    document |= {"shards": len(parts), "rows_of_a_shard": parts[0].rows, "bytes": size}
    if as_json:
        output.write_json(document)
    elif output.on_terminal():
        click.echo(f"wrote {out}: {written.n:,} tokens × {written.d} numbers in {len(parts):,} shards, {output.megabytes(size)}")
    else:
        output.write_lines(("quantity", "value"), document.items())
