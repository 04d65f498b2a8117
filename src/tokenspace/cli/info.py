"""``tokenspace info [T]``: what a table is, before one works with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenspace.cli import arguments, completion, duplicates, output
from tokenspace.errors import FileContentError

if TYPE_CHECKING:
    from tokenspace.table import EmbeddingTable

FIRST = 8
"""Tokens shown."""

SHARE = click.FloatRange(min=0, max=1, max_open=True)


@click.command("info")
@click.argument("name", metavar="[T]", required=False, shell_complete=completion.tables)
@click.option("--verify", is_flag=True, help="Also read all of it: checksums, offsets, the index, that every number is finite.")
@click.option("--duplicates", "same", is_flag=True, help="List equal and nearly equal rows instead.")
@click.option(
    "--tolerance", type=SHARE, default=0.01, show_default=True, metavar="X", help="Nearly equal: no farther apart than X of their length."
)
@arguments.engine_options
@arguments.table_option
@output.json_option
def command(  # noqa: PLR0913 - the options of the command line
    name: str | None,
    table: str,
    *,
    verify: bool,
    same: bool,
    tolerance: float,
    engine: str | None,
    address: str | None,
    keep: str | None,
    as_json: bool,
) -> None:
    """Describe a table: size, type, norms, first tokens."""
    name = name or table
    opened = arguments.open_table(name)
    if verify:
        _verify(opened)
    if same:
        duplicates.write(opened, tolerance, engine=arguments.engine(engine, address, keep), as_json=as_json)
        return
    document = {"table": name, **describe(opened)} | ({"verified": True} if verify else {})
    if as_json:
        output.write_json(document)
    elif output.on_terminal():
        _show(document)
    else:
        output.write_lines(("quantity", "value"), _flat(document))


def _verify(table: EmbeddingTable) -> None:
    """Check all there is to check: the file where there is one, whose checksums say more than its numbers."""
    from tokenspace import formats  # noqa: PLC0415 - brings NumPy, which --help does not need

    if table.source and Path(table.source).exists():
        formats.verify(table.source)
    else:
        table.verify()


def describe(table: EmbeddingTable) -> dict[str, Any]:
    """Return what there is to say of a table; reads every row once for the norms."""
    import numpy as np  # noqa: PLC0415 - --help does not need it

    norms = table.norms()
    path = Path(table.source) if table.source else None
    return {
        "source": table.source or None,
        "format": _format(path) if path is not None and path.exists() else None,
        "rows": table.n,
        "dimensions": table.d,
        "dtype": str(table.dtype),
        "matrix_bytes": table.matrix.nbytes,
        "file_bytes": _size(path) if path is not None and path.exists() else None,
        "norms": {"min": norms.min(), "median": np.median(norms), "max": norms.max()} if table.n else None,
        "zero_rows": int((norms == 0).sum()),
        "first_tokens": table.vocabulary.tokens_of(np.arange(min(FIRST, table.n))),
    }


def _format(path: Path) -> str | None:
    from tokenspace import formats  # noqa: PLC0415 - brings NumPy, which --help does not need

    try:
        return formats.format_of(path).title
    except FileContentError:  # opened by a format that was named
        return None


def _size(path: Path) -> int:
    return sum(part.stat().st_size for part in path.rglob("*") if part.is_file()) if path.is_dir() else path.stat().st_size


def _flat(document: dict[str, Any]) -> list[tuple[str, object]]:
    """Return one line a quantity: norms apart, tokens joined by spaces."""
    lines: list[tuple[str, object]] = []
    for name, value in document.items():
        if isinstance(value, dict):
            lines += [(f"norm_{inner}", float(number)) for inner, number in value.items()]
        else:
            lines.append((name, " ".join(value) if isinstance(value, list) else value))
    return lines


def _show(document: dict[str, Any]) -> None:
    norms = document["norms"]
    lines = {
        "table": document["table"],
        "source": document["source"] or "memory",
        "format": document["format"] or "-",
        "size": f"{document['rows']:,} tokens × {document['dimensions']} numbers, {document['dtype']}",
        "matrix": output.megabytes(document["matrix_bytes"]),
        "file": output.megabytes(document["file_bytes"]) if document["file_bytes"] is not None else "-",
        "norms": f"min {norms['min']:.4g}, median {norms['median']:.4g}, max {norms['max']:.4g}" if norms else "-",
        "zero rows": f"{document['zero_rows']:,}{' (no cosine with them)' if document['zero_rows'] else ''}",
        "first tokens": "  ".join(output.printable(token) for token in document["first_tokens"]),
    }
    if "verified" in document:
        lines["verified"] = "checksums, offsets, index and numbers are sound"
    for name, text in lines.items():
        click.echo(f"{output.bold(f'{name:<12}')}  {text}")
