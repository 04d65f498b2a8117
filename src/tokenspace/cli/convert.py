"""``tokenspace convert A B``: a table in another format, or in a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tokenspace.cli import arguments, completion, output
from tokenspace.cli.progress import Progress
from tokenspace.errors import ArgumentError

EXAMPLES = """\b
tokenspace convert vectors.txt vectors.tokenspace
tokenspace convert glove-6b-50d glove.bin
tokenspace convert vectors.bin half.npy --dtype float16
tokenspace convert model.gguf tokens.parquet --tensor token_embd.weight
tokenspace convert word2vec.model words.tokenspace --from gensim
tokenspace convert cc.en.300.vec.gz english.tokenspace --limit 200000
curl -s https://example.org/vectors.txt | tokenspace convert - vectors.tokenspace
tokenspace convert glove-6b-50d postgresql://me@localhost/words --measure cosine
tokenspace convert vectors.txt lancedb://stores/words --into glove
tokenspace convert vectors.txt qdrant://localhost:6333 --measure euclidean
"""
OURS = ("native", "npy", "npz", "projector", "word2vec-binary", "word2vec-text", "glove")
WRITTEN = (*OURS, "shards", "safetensors", "parquet", "arrow", "lance", "model2vec")
READ = (*WRITTEN, "gguf", "fasttext-bin", "finalfusion", "spacy", "model-folder", "gensim")
"""The names of `tokenspace.formats.FORMATS`, written out because that module brings NumPy, which --help does not need."""


@click.command("convert", epilog=EXAMPLES)
@click.argument("source", metavar="A", shell_complete=completion.tables)
@click.argument("target", metavar="B", shell_complete=completion.tables)
@click.option("--from", "--format", "source_format", type=click.Choice(READ), help="The format of A.  [default: told by its content]")
@click.option("--to", "target_format", type=click.Choice(WRITTEN), help="The format of B.  [default: told by its ending]")
@click.option("--dtype", type=click.Choice(arguments.DTYPES), help="The element type of B.  [default: that of A; float32 for text]")
@click.option(
    "--tokens", type=click.Path(path_type=Path), metavar="FILE", help="For A a matrix alone: the file of its tokens.  [default: beside it]"
)
@click.option("--keep-bytes", is_flag=True, help="Short for --errors surrogateescape.")
@arguments.reading_options
@click.option("--force", is_flag=True, help="Replace B if it exists.")
@click.option("--into", metavar="NAME", help="For B a store: the table or collection.  [default: made from A's name]")
@click.option("--measure", type=click.Choice(arguments.MEASURES), help="For B a store: what it shall search by, with an index.")
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

    A is a name, a file, a folder, "-" for standard input, or a file in a zip archive, "archive.zip/vectors.txt". Text and word2vec
    binary may be packed with gzip, bzip2, xz, zstd or zip. gensim's .kv and .model are pickles: they are read only with --from gensim,
    as data, and nothing is executed. B is a file, written beside and renamed into place, so that an interrupted run leaves the old one;
    or the address of a PostgreSQL database with pgvector, of LanceDB or of Qdrant, which is filled and read back: the same command goes
    on where an interrupted run stopped.
    """
    reading: dict[str, Any] = {"tokens": tokens, **({"errors": "surrogateescape"} if keep_bytes else {}), **arguments.asked()}
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

    with Progress() as progress:
        table = formats.convert(source, path, source_format=source_format, format=target_format, dtype=dtype, progress=progress, **reading)
    size = sum(part.stat().st_size for part in path.rglob("*")) if path.is_dir() else path.stat().st_size
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

    place = sinks.Address.of(address)  # a wrong one is found before the table is opened
    options["into"] = options["into"] or sinks.default_name(source)
    try:
        with Progress() as progress:
            done = sinks.fill(formats.open(source, progress=progress, **reading), address, watcher=progress, **options)
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
