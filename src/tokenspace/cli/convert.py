"""``tokenspace convert A B``: a table in another format."""

from __future__ import annotations

from pathlib import Path

import click

from tokenspace.cli import arguments, output
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
"""
OURS = ("native", "npy", "npz", "projector", "word2vec-binary", "word2vec-text", "glove")
WRITTEN = (*OURS, "safetensors", "parquet", "arrow", "lance", "model2vec")
READ = (*WRITTEN, "gguf", "fasttext-bin", "finalfusion", "spacy", "model-folder", "gensim")
"""The names of `tokenspace.formats.FORMATS`, written out because that module brings NumPy, which --help does not need."""


@click.command("convert", epilog=EXAMPLES)
@click.argument("source", metavar="A")
@click.argument("target", metavar="B", type=click.Path(path_type=Path))
@click.option("--from", "--format", "source_format", type=click.Choice(READ), help="The format of A.  [default: told by its content]")
@click.option("--to", "target_format", type=click.Choice(WRITTEN), help="The format of B.  [default: told by its ending]")
@click.option("--dtype", type=click.Choice(arguments.DTYPES), help="The element type of B.  [default: that of A; float32 for text]")
@click.option("--tokens", type=click.Path(path_type=Path), help="For A a matrix alone: the file of its tokens.  [default: beside it]")
@click.option("--keep-bytes", is_flag=True, help="Short for --errors surrogateescape.")
@arguments.reading_options
@click.option("--force", is_flag=True, help="Replace B if it exists.")
@output.json_option
def command(  # noqa: PLR0913 - the options of the command line
    source: str,
    target: Path,
    source_format: str | None,
    target_format: str | None,
    dtype: str | None,
    tokens: Path | None,
    *,
    keep_bytes: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write a table in another format.

    A is a name, a file, a folder, "-" for standard input, or a file in a zip archive, "archive.zip/vectors.txt". Text and word2vec
    binary may be packed with gzip, bzip2, xz, zstd or zip. B is written beside and renamed into place, so that an interrupted run
    leaves the old file. gensim's .kv and .model are pickles: they are read only with --from gensim, as data, and nothing is executed.
    """
    if target.exists() and not force:
        message = f"{target} exists"
        raise ArgumentError(message, hint="add --force to replace it")
    from tokenspace import formats  # noqa: PLC0415 - brings NumPy, which --help does not need

    reading = {"dtype": dtype, "tokens": tokens, **({"errors": "surrogateescape"} if keep_bytes else {}), **arguments.asked()}
    with Progress() as progress:
        table = formats.convert(source, target, source_format=source_format, format=target_format, progress=progress, **reading)
    size = sum(part.stat().st_size for part in target.rglob("*")) if target.is_dir() else target.stat().st_size
    document = {"from": source, "to": str(target), "rows": table.n, "dimensions": table.d, "dtype": str(table.dtype), "bytes": size}
    if as_json:
        output.write_json(document)
    elif output.on_terminal():
        click.echo(f"wrote {target}: {table.n:,} tokens × {table.d} numbers, {output.megabytes(size)}")
    else:
        output.write_lines(("quantity", "value"), document.items())
