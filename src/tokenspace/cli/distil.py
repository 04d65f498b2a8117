"""``tokenspace distil MODEL --out T``: a static table from an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tokenspace.cli import output
from tokenspace.cli.progress import Progress
from tokenspace.progress import watching

EXAMPLES = """\b
tokenspace distil all-MiniLM-L6-v2/ --out static/
tokenspace encode static/ < sentences.txt > sentences.tokenspace
"""


@click.command("distil", epilog=EXAMPLES)
@click.argument("model", metavar="MODEL")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="T", help="The new folder.")
@click.option(
    "-d", "--dim", type=click.IntRange(min=0), default=256, show_default=True, metavar="D", help="Numbers a row; 0: all, unturned."
)
@click.option("--sif", "a", type=float, default=1e-4, show_default=True, metavar="A", help="Weight a / (a + p) of a token; 0: none.")
@click.option("--pooling", default="mean", show_default=True, metavar="NAME", help="mean, cls, max, lasttoken...")
@click.option("--leave-out", default=r"\[unused\d+\]", show_default=True, metavar="REGEX", help="Tokens that get no row.")
@click.option("--dtype", type=click.Choice(("float32", "float16")), default="float32", show_default=True, help="The element type.")
@click.option("--force", is_flag=True, help="Replace T if it exists.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="PyTorch's threads.")
@output.json_option
def command(model: str, out: Path, *, dim: int, a: float, as_json: bool, **options: Any) -> None:
    """Distil a static table from the folder of an encoder.

    Every token goes through the encoder alone; the vectors are turned to their main directions and weighed by the tokens' rarity. The
    result is a folder for model2vec, sentence-transformers and every command here, some hundred times faster than the encoder.
    """
    try:
        from tokenspace.encode.distilling import distil  # noqa: PLC0415 - PyTorch, a second
    except ModuleNotFoundError as error:
        from tokenspace.errors import MissingExtraError  # noqa: PLC0415

        message = "distilling needs PyTorch, which is not installed"
        raise MissingExtraError(message, hint="pip install 'tokenspace[transformers]'") from error
    with Progress() as progress, watching(progress):
        done = distil(model, out, d=dim or None, a=a or None, **options)
    if as_json:
        output.write_json(done.document())
    elif output.on_terminal():
        click.echo(output.printable(str(done)))
    else:
        output.write_lines(("quantity", "value"), done.document().items())
