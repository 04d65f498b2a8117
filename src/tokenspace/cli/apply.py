"""``tokenspace apply MODEL ROWS``: new rows from a file, or from a PEFT adapter, joined to their model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tokenspace.cli import completion, extend, output

EXAMPLES = """\b
tokenspace diff model/ bigger/ --rows rows.safetensors
tokenspace apply model/ rows.safetensors --out again/
tokenspace apply model/ adapter/ --out merged/
"""


@click.command("apply", epilog=EXAMPLES)
@click.argument("model", metavar="MODEL", shell_complete=completion.tables)
@click.argument("rows", metavar="ROWS", type=click.Path(path_type=Path))
@click.option("--any-base", is_flag=True, help="Join them though the model's old rows are not those they were made for.")
@extend.embedding_option
@extend.link_option
@extend.out_option
@extend.force_option
@output.json_option
def command(model: str, rows: Path, out: Path, *, link: bool, as_json: bool, **options: Any) -> None:
    """Join new rows to the model or table they were made for.

    ROWS is a file that "diff A B --rows" wrote, a few kilobytes a token, or the folder of a PEFT adapter that trains tokens.
    """
    from tokenspace import checkpoint  # noqa: PLC0415 - brings NumPy, which --help does not need
    from tokenspace.cli.progress import Progress  # noqa: PLC0415

    with Progress() as progress, checkpoint.watching(progress):
        done = checkpoint.apply(model, rows, out=out, untouched="link" if link else "copy", **options)
    extend.report(done, as_json=as_json)
