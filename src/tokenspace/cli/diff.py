"""``tokenspace diff A B``: the proof that nothing but new rows changed."""

from __future__ import annotations

from pathlib import Path

import click

from tokenspace.cli import completion, extend, output

EXAMPLES = """\b
tokenspace diff model/ bigger/
tokenspace diff model/ bigger/ --rows rows.safetensors --adapter adapter/
tokenspace diff vectors.txt more.txt && echo safe
"""
NOT_PROVED = 1


@click.command("diff", epilog=EXAMPLES)
@click.argument("a", metavar="A", shell_complete=completion.tables)
@click.argument("b", metavar="B", shell_complete=completion.tables)
@click.option("--rows", type=click.Path(path_type=Path), metavar="FILE", help="Write the new rows to a file, for apply.")
@click.option("--adapter", type=click.Path(path_type=Path), metavar="DIR", help="Write them to a folder, for PEFT.")
@extend.embedding_option
@extend.force_option
@output.json_option
@click.pass_context
def command(
    context: click.Context,
    a: str,
    b: str,
    *,
    rows: Path | None,
    adapter: Path | None,
    embedding: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Prove that nothing but new rows changed.

    Compares two models, or two tables, tensor by tensor and file by file, tokenizer and configuration included. Exit code 0 only if it
    is PROVED, else 1.
    """
    from tokenspace import checkpoint  # noqa: PLC0415 - brings NumPy, which --help does not need
    from tokenspace.cli.progress import Progress  # noqa: PLC0415

    with Progress() as progress, checkpoint.watching(progress):
        difference = checkpoint.diff(a, b, embedding=embedding, rows=rows, adapter=adapter, force=force)
    if as_json:
        output.write_json(difference.document())
    else:
        click.echo("\n".join(output.printable(line) for line in str(difference).split("\n")))
    context.exit(0 if difference else NOT_PROVED)
