"""``tokenspace convert A B``: a table in another format, or in a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tokenspace.cli import output
from tokenspace.errors import ArgumentError

EXAMPLES = """\b
tokenspace convert vectors.txt vectors.tokenspace
tokenspace convert glove-6b-50d glove.bin
tokenspace convert vectors.bin half.npy --dtype float16
tokenspace convert glove-6b-50d postgresql://me@localhost/words --measure cosine
tokenspace convert vectors.txt lancedb://stores/words --into glove
tokenspace convert vectors.txt qdrant://localhost:6333 --measure euclidean
"""
FORMATS = ("native", "npy", "npz", "word2vec-binary", "word2vec-text", "glove")
"""The names of `tokenspace.formats.FORMATS`, written out because that module brings NumPy, which --help does not need."""

MEASURES = ("euclidean", "inner_product", "cosine")
DTYPES = ("float32", "float64", "float16", "bfloat16")


@click.command("convert", epilog=EXAMPLES)
@click.argument("source", metavar="A")
@click.argument("target", metavar="B")
@click.option("--from", "source_format", type=click.Choice(FORMATS), help="The format of A.  [default: told by its content]")
@click.option("--to", "target_format", type=click.Choice(FORMATS), help="The format of B.  [default: told by its ending]")
@click.option("--dtype", type=click.Choice(DTYPES), help="The element type of B.  [default: that of A; float32 for text]")
@click.option("--tokens", type=click.Path(path_type=Path), help="For A an .npy: the file of its tokens.  [default: beside it]")
@click.option("--keep-bytes", is_flag=True, help="Keep tokens that are not UTF-8 as the bytes they are; else they are refused.")
@click.option("--force", is_flag=True, help="Replace B if it exists.")
@click.option("--into", metavar="NAME", help="For B a store: the table or collection.  [default: made from A's name]")
@click.option("--measure", type=click.Choice(MEASURES), help="For B a store: what it shall search by, with an index.")
@output.json_option
def command(  # noqa: PLR0913 - the options of the command line
    source: str,
    target: str,
    source_format: str | None,
    target_format: str | None,
    dtype: str | None,
    tokens: Path | None,
    *,
    keep_bytes: bool,
    force: bool,
    into: str | None,
    measure: str | None,
    as_json: bool,
) -> None:
    """Write a table in another format, or into a store.

    A is a name, a file or a folder. B is a file, written beside and renamed into place, so that an interrupted run leaves the old one;
    or the address of a PostgreSQL database with pgvector, of LanceDB or of Qdrant, which is filled and read back: the same command goes
    on where an interrupted run stopped.
    """
    reading: dict[str, Any] = {"tokens": tokens, "errors": "surrogateescape" if keep_bytes else "strict"}
    if "://" in target:
        if target_format is not None:
            message = f"--to is for files; {target.partition('://')[0]}:// is a store"
            raise ArgumentError(message)
        fill(source, target, {"format": source_format, **reading}, as_json=as_json, into=into, measure=measure, dtype=dtype, force=force)
        return
    if into is not None or measure is not None:
        message = f"--into and --measure are for stores; {target} is a file"
        raise ArgumentError(message, hint="a store is postgresql://..., lancedb://... or qdrant://...")
    path = Path(target)
    if path.exists() and not force:
        message = f"{target} exists"
        raise ArgumentError(message, hint="add --force to replace it")
    from tokenspace import formats  # noqa: PLC0415 - brings NumPy, which --help does not need

    table = formats.convert(source, path, source_format=source_format, format=target_format, dtype=dtype, **reading)
    size = path.stat().st_size
    document = {"from": source, "to": str(target), "rows": table.n, "dimensions": table.d, "dtype": str(table.dtype), "bytes": size}
    if as_json:
        output.write_json(document)
    elif output.on_terminal():
        click.echo(f"wrote {target}: {table.n:,} tokens × {table.d} numbers, {output.megabytes(size)}")
    else:
        output.write_lines(("quantity", "value"), document.items())


def fill(source: str, address: str, reading: dict[str, Any], *, as_json: bool, **options: Any) -> None:
    """Fill a store and say what was done."""
    from tokenspace import formats, sinks  # noqa: PLC0415 - bring NumPy, which --help does not need
    from tokenspace.cli.progress import Progress  # noqa: PLC0415

    place = sinks.Address.of(address)  # a wrong one is found before the table is opened
    options["into"] = options["into"] or sinks.default_name(source)
    try:
        with Progress() as progress:
            done = sinks.fill(formats.open(source, **reading), address, watcher=progress, **options)
    except KeyboardInterrupt:
        output.note(f"what {place.shown} holds stays there; the same command goes on from there")
        raise
    if done.rounding:
        output.note(f"numbers were rounded to {done.dtype}: by {done.rounding:.2g} of themselves at most")
    if done.unit:
        output.note("Qdrant keeps the rows at length 1 under the cosine; their own lengths are not stored")
    document = {"from": source, "to": done.address, "into": done.name, "rows": done.rows, "dimensions": done.dimensions}
    document |= {"dtype": done.dtype, "written": done.written}
    if as_json:
        output.write_json(document)
    elif output.on_terminal():
        what = f"{done.rows:,} tokens × {done.dimensions} numbers, {done.written:,} of them written now, all read back"
        click.echo(output.printable(f"{done.address}: {done.name}: {what}"))
    else:
        output.write_lines(("quantity", "value"), document.items())
